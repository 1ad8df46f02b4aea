"""The sums of the architecture note, written out index by index.

One function for each equation, one unit n, one step t at a time, in plain Python floats. The names
are the note's; beside the equations of the README they read

    note                      here                README
    x^{l,t}                   x                   x_t, input of the layer
    x^{l+1,t-1}               x_minus             h_{t-1}, output of the layer one step before
    s_c^{l,t-1}               s_c                 c_{t-1}, cell state one step before
    ci, ig, f, og             gate.ci, ...        g, i, f, o
    w^k, w^{k-}, w^{kc}       w, w_minus, w_c     W_k, R_k, P_k
    N_k, N_k^-, N_kc          N, N_minus, N_c     index sets: which of them unit n is connected to
    g_ci, f_ig, f_f, f_og     the same            activations of the gates
    h_co                      the same            activation of the cell output
    x^{l+2,t}, f_{l+2}        x_head, f_head      y_t, the head

A weight is w[l][n]: from l, to unit n. An index set is N[n], the list of all l of unit n. In the
note the peephole of the input gate reads s_{c,1} and the input sum of the output gate runs to N_f:
slips for s_{c,n} and N_og.
"""

import math
from dataclasses import dataclass

Weights = list[list[float]]
IndexSets = list[list[int]]


@dataclass
class Gate:
    """The weights into one gate, and its index sets."""

    w: Weights
    w_minus: Weights
    w_c: Weights
    N: IndexSets
    N_minus: IndexSets
    N_c: IndexSets


@dataclass
class Cell:
    """The four gates of a layer and its activations."""

    ci: Gate
    ig: Gate
    f: Gate
    og: Gate
    g_ci: object
    f_ig: object
    f_f: object
    f_og: object
    h_co: object


def sigmoid(s):
    return 1.0 / (1.0 + math.exp(-s))


def identity(s):
    return s


def s_ci(cell, n, x, x_minus, s_c):
    """s_ci,n = sum w^ci_{l,n} x_l  +  sum w^ci-_{l,n} x-_l  +  sum w^cic_{l,n} s_c(l)"""
    total = 0.0
    for l_ci in cell.ci.N[n]:
        total += cell.ci.w[l_ci][n] * x[l_ci]
    for l_ci in cell.ci.N_minus[n]:
        total += cell.ci.w_minus[l_ci][n] * x_minus[l_ci]
    for l_cic in cell.ci.N_c[n]:
        total += cell.ci.w_c[l_cic][n] * s_c[l_cic]
    return total


def s_ig(cell, n, x, x_minus, s_c):
    """s_ig,n = sum w^ig_{l,n} x_l  +  sum w^ig-_{l,n} x-_l  +  sum w^igc_{l,n} s_c(l)"""
    total = 0.0
    for l_ig in cell.ig.N[n]:
        total += cell.ig.w[l_ig][n] * x[l_ig]
    for l_ig in cell.ig.N_minus[n]:
        total += cell.ig.w_minus[l_ig][n] * x_minus[l_ig]
    for l_igc in cell.ig.N_c[n]:
        total += cell.ig.w_c[l_igc][n] * s_c[l_igc]
    return total


def s_f(cell, n, x, x_minus, s_c):
    """s_f,n = sum w^f_{l,n} x_l  +  sum w^f-_{l,n} x-_l  +  sum w^fc_{l,n} s_c(l)"""
    total = 0.0
    for l_f in cell.f.N[n]:
        total += cell.f.w[l_f][n] * x[l_f]
    for l_f in cell.f.N_minus[n]:
        total += cell.f.w_minus[l_f][n] * x_minus[l_f]
    for l_fc in cell.f.N_c[n]:
        total += cell.f.w_c[l_fc][n] * s_c[l_fc]
    return total


def s_og(cell, n, x, x_minus, s_c):
    """s_og,n = sum w^og_{l,n} x_l  +  sum w^og-_{l,n} x-_l  +  sum w^ogc_{l,n} s_c(l)

    s_c is that of t-1, as in the other gates.
    """
    total = 0.0
    for l_og in cell.og.N[n]:
        total += cell.og.w[l_og][n] * x[l_og]
    for l_og in cell.og.N_minus[n]:
        total += cell.og.w_minus[l_og][n] * x_minus[l_og]
    for l_ogc in cell.og.N_c[n]:
        total += cell.og.w_c[l_ogc][n] * s_c[l_ogc]
    return total


def s_c_next(cell, n, x, x_minus, s_c):
    """s_c,n^t = f_f(s_f,n) s_c,n^{t-1}  +  g_ci(s_ci,n) f_ig(s_ig,n)"""
    forget = cell.f_f(s_f(cell, n, x, x_minus, s_c))
    cell_input = cell.g_ci(s_ci(cell, n, x, x_minus, s_c))
    input_gate = cell.f_ig(s_ig(cell, n, x, x_minus, s_c))
    return forget * s_c[n] + cell_input * input_gate


def x_next(cell, n, x, x_minus, s_c, s_c_n):
    """x_n^{l+1,t} = h_co(s_c,n^t) f_og(s_og,n^t)"""
    return cell.h_co(s_c_n) * cell.f_og(s_og(cell, n, x, x_minus, s_c))


def s_head(n, x, w, b):
    """s_n^{l+2} = sum over m of w_{m,n} x_m^{l+1}  +  b_n"""
    total = 0.0
    for m in range(len(x)):
        total += w[m][n] * x[m]
    return total + b[n]


def x_head(n, x, w, b, f_head):
    """x_n^{l+2} = f_{l+2}(s_n^{l+2})"""
    return f_head(s_head(n, x, w, b))


def layer(cell, xs, x_minus, s_c):
    """One sequence: the outputs x^{l+1} of all steps, and the last s_c."""
    outputs = []
    for x in xs:
        s_c_t = [s_c_next(cell, n, x, x_minus, s_c) for n in range(len(s_c))]
        x_t = [x_next(cell, n, x, x_minus, s_c, s_c_t[n]) for n in range(len(s_c))]
        outputs.append(x_t)
        x_minus, s_c = x_t, s_c_t
    return outputs, s_c
