// Package seqtest is the pure mathematics of Slipway's judge: evidence about a candidate against production that may be
// looked at as often as one likes. It has no clock and no I/O.
//
// Evidence is an e-process: a running product that starts at 1 and, if the null hypothesis is true, ever reaches 1/α with
// probability at most α (Ville's inequality). So the error does not grow with the number of looks. All evidence is kept as a
// natural logarithm; reaching 1/α is LogE ≥ -ln α.
//
// Two kinds of counts are compared, batch by batch, candidate (c) against production (s, as in stable):
//
//   - [Rates]: few events per trial, such as failures or exceptions per request. Events are treated as Poisson, which is
//     conservative for failures (at most one per request). R = 1, D = 0 is the conditional test of Lindon and Malek, "Anytime-valid
//     inference for multinomial count data" (NeurIPS 2022), in odds form; the term in D follows from the Poisson moment
//     generating function.
//   - [Shares]: any share of trials, such as requests slower than a threshold. This is the two-sample Bernoulli form of Turner,
//     Ly and Grünwald, "Generic E-variables for exact sequential k-sample tests of independence".
//
// Both cancel what the arms share: the base rate and the split of traffic may change with every batch. Neither knows how large
// the effect is, so each is averaged over a fixed grid of ratios ([Mixture]) and over moments at which the trouble may have
// begun ([Stakes]): a [Process].
//
// What is assumed: given the rates, events are independent. Pods that differ, retries and bursts break that; [Dispersion]
// learns from production's own pods by how much, and gives the numbers that make up for it. Those corrections are estimates:
// with them the error is controlled as well as the past speaks for the present, not by theorem.
package seqtest
