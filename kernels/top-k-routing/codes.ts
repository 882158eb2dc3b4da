/** How scores become probabilities: kernels of all devices use these codes. */
export const SCORES = {
  /** p = softmax over all experts; the K largest logits are chosen and weigh p. */
  softmax: 0,
  /** The K largest logits are chosen; p = softmax over those. */
  topKSoftmax: 1,
  /** p = σ(logit); the K largest of p + bias are chosen and weigh p. */
  sigmoid: 2,
} as const;

/** Who comes first in an expert's rows, and so who is dropped last where it has a capacity. */
export const PRIORITIES = {
  /** By token, then by choice. */
  token: 0,
  /** All first choices by token, then all second ones: DeepSpeed's. */
  choice: 1,
  /** By a uniform number of (token, expert), the largest stay, the lower token of equal ones; those that stay are in the order of `token`: DeepSpeed's random token selection. */
  random: 2,
} as const;

/** What is done to the scores by which experts after the first are chosen. */
export const NOISES = {
  none: 0,
  /** Gumbel(0,1) noise on the scores for the choice of every expert after the first: DeepSpeed 0.9.5's top-2. */
  gumbelAfterFirst: 1,
  /** On the scores for every choice: DeepSpeed's RSample. */
  gumbel: 2,
} as const;
