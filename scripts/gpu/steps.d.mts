export interface Step {
  name: string;
  args: string[];
  missing?: string;
}
export const BENCHES: readonly {
  name: string;
  suite: string;
  peers: string;
  seconds: number;
  shapes: string;
  small: string;
}[];
export function stepsOf(options: {
  out: string;
  host: {
    gpu: boolean;
    nvcc: boolean;
    sanitizer?: string;
    vulkan?: string;
    kernels: boolean;
    simulated: boolean;
  };
  node: string;
}): Step[];
