export class WebWorker {
  constructor(url: string);
  onmessage: ((event: { data: unknown }) => void) | null;
  onerror: ((error: Error) => void) | null;
  postMessage(message: unknown): void;
  terminate(): void;
}
