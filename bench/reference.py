"""The LSTM and its gradients in float64 NumPy, sharing no code with any implementation.

    a_k,t = W_k x_t + R_k h_{t-1} + P_k c_{t-1} + b_k          k = i, f, g, o
    c_t = σ(a_f) ⊙ c_{t-1} + tanh(a_g) ⊙ σ(a_i)
    h_t = tanh(c_t) ⊙ σ(a_o)

In the model of ONNX P_o reads c_t. All sequences of the batch go through a step together, so that
the reference of the largest shape takes seconds.
"""

from __future__ import annotations

import numpy as np

from bench.problem import DENSE, ONNX, VANILLA, Array, Arrays, Problem


def _sigmoid(a: Array) -> Array:
    return 0.5 * (1 + np.tanh(0.5 * a))


class Reference:
    """The answers of one problem under one model: y, and with `gradients` those of dy · y.

    Their names: y, x, weight_ih, weight_hh, bias, and weight_ch where the model has peepholes.
    """

    def __init__(self, problem: Problem, model: str) -> None:
        self.model = model
        self.T, self.H = problem.shape.T, problem.shape.H
        self.x = problem.x.astype(np.float64)
        self.dy = problem.dy.astype(np.float64)
        parameters = {k: v.astype(np.float64) for k, v in problem.parameters.items()}
        self.W, self.R = parameters["weight_ih"], parameters["weight_hh"]
        self.b = parameters["bias"]
        self.P = problem.peepholes(model).astype(np.float64)

    def answers(self, gradients: bool) -> Arrays:
        """The named arrays, in the layouts of `Problem`."""
        self._forward()
        answers: Arrays = {"y": self.h[:, 1:]}
        if gradients:
            answers |= self._backward()
        return answers

    def _peephole(self, gate: int, c: Array) -> Array:
        """P_k c, (B, H)."""
        if self.model == DENSE:
            return c @ self.P[self._rows(gate)].T
        return self.P[gate] * c

    def _peephole_transposed(self, gate: int, da: Array) -> Array:
        """P_k^T da, (B, H)."""
        if self.model == DENSE:
            return da @ self.P[self._rows(gate)]
        return self.P[gate] * da

    def _rows(self, gate: int) -> slice:
        return slice(gate * self.H, (gate + 1) * self.H)

    def _forward(self) -> None:
        """Keeps h and c (B, T + 1, H), zeros first, and the gates i, f, g, o (4, B, T, H)."""
        T, H = self.T, self.H
        batch = len(self.x)
        self.h, self.c = np.zeros((2, batch, T + 1, H))
        self.gates = np.zeros((4, batch, T, H))
        inputs = self.x @ self.W.T + self.b
        for t in range(T):
            a = inputs[:, t] + self.h[:, t] @ self.R.T
            c = self.c[:, t]
            i, f, g, o = (a[:, self._rows(k)] for k in range(4))
            i = _sigmoid(i + self._peephole(0, c))
            f = _sigmoid(f + self._peephole(1, c))
            g = np.tanh(g + self._peephole(2, c))
            c_t = f * c + g * i
            o = _sigmoid(o + self._peephole(3, c_t if self.model == ONNX else c))
            self.gates[:, :, t] = i, f, g, o
            self.c[:, t + 1] = c_t
            self.h[:, t + 1] = np.tanh(c_t) * o

    def _backward(self) -> Arrays:
        T, H = self.T, self.H
        batch = len(self.x)
        da = np.zeros((batch, T, 4 * H))
        dh_next, dc_next = np.zeros((2, batch, H))
        for t in reversed(range(T)):
            i, f, g, o = self.gates[:, :, t]
            c, tanh_c = self.c[:, t], np.tanh(self.c[:, t + 1])
            dh = self.dy[:, t] + dh_next
            da_o = dh * tanh_c * o * (1 - o)
            dc_t = dc_next + dh * o * (1 - tanh_c**2)
            if self.model == ONNX:
                dc_t = dc_t + self._peephole_transposed(3, da_o)
            da_i = dc_t * g * i * (1 - i)
            da_f = dc_t * c * f * (1 - f)
            da_g = dc_t * i * (1 - g**2)
            of_gates = (da_i, da_f, da_g, da_o)
            da[:, t] = np.concatenate(of_gates, axis=1)
            dh_next = da[:, t] @ self.R
            dc_next = dc_t * f
            for gate in (0, 1, 2) if self.model == ONNX else (0, 1, 2, 3):
                dc_next = dc_next + self._peephole_transposed(gate, of_gates[gate])

        rows = da.reshape(batch * T, 4 * H)
        previous_c = self.c[:, :-1].reshape(batch * T, H)
        gradients = {
            "x": da @ self.W,
            "weight_ih": rows.T @ self.x.reshape(batch * T, -1),
            "weight_hh": rows.T @ self.h[:, :-1].reshape(batch * T, H),
            "bias": rows.sum(axis=0),
        }
        if self.model == DENSE:
            gradients["weight_ch"] = rows.T @ previous_c
        elif self.model != VANILLA:
            read = [previous_c] * 4
            if self.model == ONNX:
                read[3] = self.c[:, 1:].reshape(batch * T, H)
            per_gate = np.split(rows, 4, axis=1)
            gradients["weight_ch"] = np.stack(
                [(d * c).sum(axis=0) for d, c in zip(per_gate, read, strict=True)]
            )
            if self.model == ONNX:
                gradients["weight_ch"][2] = 0
        return gradients
