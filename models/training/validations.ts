/** When a run measures itself on what is held back, and when it has seen enough. */
import { OptionError } from "../../engine/index.js";

/** When it does, as settings say. */
export interface ValidationPlan {
  readonly epochs: number;
  /** Epochs between validations, where steps do not count. */
  readonly validateEvery: number;
  /** Steps between them. */
  readonly validateEverySteps?: number;
  /** Validations without a better one after which the run ends. */
  readonly patience?: number;
}

interface Place {
  readonly step: number;
  readonly epoch: number;
  /** Rows of the epoch that were used. */
  readonly position: number;
  readonly validations: readonly { readonly step: number }[];
}

/** The epoch that the last step was of, from 1: what people read. A run's own count is of epochs done. */
export const epochOf = ({ epoch, position }: Pick<Place, "epoch" | "position">): number =>
  position === 0 ? epoch : epoch + 1;

/** Whether steps pause at this one for a validation. */
export const pausesAt = (step: number, { validateEverySteps }: ValidationPlan): boolean =>
  validateEverySteps !== undefined && step % validateEverySteps === 0;

/** Whether one is due where a run stands, and was not done yet. The end of the run is measured in any case. */
export function validationDue({ step, epoch, position, validations }: Place, plan: ValidationPlan): boolean {
  if (step === 0 || validations.at(-1)?.step === step) return false;
  const endsEpoch = position === 0;
  if (endsEpoch && epoch === plan.epochs) return true;
  return plan.validateEverySteps === undefined ? endsEpoch && epoch % plan.validateEvery === 0 : pausesAt(step, plan);
}

/** Whether the last `patience` scores brought none above all before them: the first of equals is the best. */
export function exhausted(scores: readonly number[], { patience }: ValidationPlan): boolean {
  if (patience === undefined || scores.length === 0) return false;
  return scores.length - 1 - scores.indexOf(Math.max(...scores)) >= patience;
}

/** Throws where settings ask for validations of a run that holds nothing back. */
export function refuseUnvalidated(
  held: number,
  { validateEverySteps, patience, keep }: Partial<ValidationPlan> & { readonly keep?: "last" | "best" },
): void {
  if (held > 0) return;
  const wants = [
    ["validateEverySteps", validateEverySteps],
    ["patience", patience],
    ["keep", keep === "best" ? keep : undefined],
  ].find(([, value]) => value !== undefined);
  if (wants)
    throw new OptionError(
      `\`${wants[0]}\` is about validations, and nothing is held back. Give \`validation\` a share.`,
    );
}
