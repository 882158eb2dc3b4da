"""What all twins of ops share: how they are called, and how copies of their inputs take turns."""

import itertools
from contextlib import nullcontext

import torch

# Forwards of a piece whose backwards are timed: each holds what it saved until then.
FORWARDS = 8


class OpCase:
    """Forward under no_grad, or forward and backward from dy where inputs are trained; or the backward alone."""

    note = None

    def __init__(self, tensors, options, trained):
        self.inputs, self.options, self.trained = tensors, options, trained
        for name in trained:
            tensors[name].requires_grad_(True)

    def conditions(self):
        """Entered around each piece: what PyTorch must be told that this form is computed so."""
        return nullcontext()

    def forward(self, dropout):
        raise NotImplementedError

    def parameters(self):
        """Tensors whose gradients a backward finds."""
        return [self.inputs[name] for name in self.trained]

    def backward(self, y):
        # A loss has a type of its own.
        y.backward(self.inputs["dy"].to(y.dtype))

    def drop_gradients(self):
        """After each backward: they would be added up, and those of many copies held."""
        for parameter in self.parameters():
            parameter.grad = None

    def once(self, dropout):
        if not self.trained:
            with torch.no_grad():
                return self.forward(dropout)
        y = self.forward(dropout)
        self.backward(y)
        return y

    def results(self):
        results = {"y": self.once(0.0)}
        for name in self.trained:
            results[f"d{name}"] = self.inputs[name].grad
        return results


class InTurn:
    """Cases of one task, each with inputs of its own, which calls take in turn: together they are larger than the caches."""

    def __init__(self, cases, backward_alone):
        self.first, self.cases, self.backward_alone = cases[0], itertools.cycle(cases), backward_alone
        self.dropout = cases[0].options.get("dropout", 0.0)

    def results(self):
        """Of the first case."""
        with self.first.conditions():
            found = self.first.results()
        self.first.drop_gradients()
        return found

    def pieces(self, calls):
        """What is timed, some calls at a time, each from an idle device; what is between runs outside the clock."""
        if not self.backward_alone:
            yield lambda: self.run(calls)
            return
        for done in range(0, calls, FORWARDS):
            count = min(FORWARDS, calls - done)
            with self.first.conditions():
                waiting = [(case, case.forward(self.dropout)) for case in itertools.islice(self.cases, count)]
            yield lambda waiting=waiting: self.backwards(waiting)

    def run(self, calls):
        with self.first.conditions():
            for case in itertools.islice(self.cases, calls):
                case.once(self.dropout)
                if case.trained:
                    case.drop_gradients()

    def backwards(self, waiting):
        with self.first.conditions():
            while waiting:
                case, y = waiting.pop(0)
                case.backward(y)
                case.drop_gradients()
