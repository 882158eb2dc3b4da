import { optim, type Tensor } from "../../engine/index.js";

/** Parameters with a learning rate and a decay of their own. */
export interface ParameterGroup {
  readonly name: string;
  readonly parameters: readonly (readonly [string, Tensor])[];
  /** Largest learning rate. */
  readonly lr: number;
  readonly weightDecay: number;
}

/** An AdamW for each group of parameters, stepped as one. Groups without parameters are left out. */
export class GroupedAdamW {
  readonly #groups: readonly { readonly name: string; readonly lr: number; readonly adamw: optim.AdamW }[];

  constructor(groups: readonly ParameterGroup[]) {
    this.#groups = groups
      .filter(({ parameters }) => parameters.length > 0)
      .map(({ name, parameters, lr, weightDecay }) => ({
        name,
        lr,
        adamw: new optim.AdamW(parameters, { lr, weightDecay }),
      }));
  }

  /** Every group's rate is this part of its largest one. */
  set rate(part: number) {
    for (const { lr, adamw } of this.#groups) adamw.lr = part * lr;
  }

  get steps(): number {
    return this.#groups[0].adamw.steps;
  }

  set steps(steps: number) {
    for (const { adamw } of this.#groups) adamw.steps = steps;
  }

  step(clip: Tensor | null = null): void {
    for (const { adamw } of this.#groups) adamw.step(clip);
  }

  zeroGrad(): void {
    for (const { adamw } of this.#groups) adamw.zeroGrad();
  }

  /** Names begin with that of the group. */
  state(): Map<string, Tensor> {
    return new Map(
      this.#groups.flatMap(({ name, adamw }) => [...adamw.state()].map(([key, t]) => [`${name}.${key}`, t] as const)),
    );
  }

  /** The tensor of `state()` of that name, made where it is not there yet. */
  slot(key: string): Tensor | null {
    const group = this.#groups.find(({ name }) => key.startsWith(`${name}.`));
    return group?.adamw.slot(key.slice(group.name.length + 1)) ?? null;
  }

  dispose(): void {
    for (const { adamw } of this.#groups) adamw.dispose();
  }
}
