/**
 * What `read` gives of each plan, in order. Up to `ahead` are read beside the one that is in use, so that the next is there when
 * it is asked for. Where one cannot be read, those before it come first.
 */
export async function* readAhead<Plan, Read>(
  plans: Iterable<Plan>,
  read: (plan: Plan) => Promise<Read>,
  ahead: number,
): AsyncGenerator<Read> {
  const iterator = plans[Symbol.iterator]();
  const coming: Promise<Read>[] = [];
  const begin = (count: number) => {
    while (coming.length < count) {
      const { done, value } = iterator.next();
      if (done) return;
      const reading = read(value);
      // Awaited in its turn, or thrown away with the generator.
      reading.catch(() => {});
      coming.push(reading);
    }
  };
  for (begin(ahead + 1); coming.length > 0; begin(ahead + 1)) {
    const next = coming.shift() as Promise<Read>;
    begin(ahead);
    yield await next;
  }
}
