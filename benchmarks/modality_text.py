"""What modalities.md says around its tables."""
# ruff: noqa: E501 (Markdown, whose tables cannot be wrapped)

HEAD = """\
# Held-out prediction: linear mixed forms beside PLS, CCA and reduced-rank regression

{date}; {versions}. One core, {minutes} minutes; `python benchmarks/modalities.py` makes this page.

One modality is predicted from others, for rows that were not seen: {splits} random splits, a quarter of the
rows held out. Columns are centred and scaled by the rows seen (pixels by one scale for the block, as they share a unit).
Every method is tuned on the rows seen alone, by {folds} inner folds, the same for all, from at most {choices} choices. The *share* is
1 − squared error / sum of squares over all columns of the held-out rows; its ± is the standard deviation over splits. *Differences* are
paired, against the peer with the best mean *on the held-out rows* (a rival picked with hindsight); their ± is the standard deviation
over √{splits}, and in brackets are splits won and lost by more than 0.00005. As the splits share rows, the true standard error is larger,
by Nadeau and Bengio's rule (2003) twice that. The machine did other work meanwhile: times are rough.

| method | what it is | choices |
| --- | --- | --- |
| least squares, ridge | for reference | –; 72 penalties |
| PLS | scikit-learn's `PLSRegression` | all ranks |
| CCA, predict | scikit-learn's `CCA` on leading principal components, its own `predict` | 12 numbers of components × 6 ranks |
| CCA, variates | the same, but the response regressed on the canonical variates | the same |
| reduced-rank regression | ridge, projected on the leading directions of its fitted values | 12 penalties × 6 ranks |
| form, shrink | descent on F, then `transform` (`shrink=True`, its default): the noise of each column is its mean squared residual | 6 ranks × 3 weights of Y |
| form, ML | `method="ml"`, then `transform` | 6 ranks × 3 limits on the steps (10, 50, 500) |

Ranks of forms go up to the most there is, the smaller of X and Z; tolerances are 1e-4 for the descent and 1e-5 for likelihood, and each choice is a fit of its own.

Data, all inside scikit-learn or statsmodels: *digits*, 8 × 8 images cut into bands of rows; *tumours*, ten measurements of cell nuclei
(log) as mean, standard error and largest over an image; *fertility*, children per woman in 192 countries by year; *schools*, Californian
districts: teachers, pupils, and results with courses (log).
"""

THREE = """\
Y is predicted from X and Z, or X from Y and Z; a form answers both with the same fits. Differences from the best peer:
"""

TWO = """\
Y from one other modality B, by maximum likelihood. The form needs an X and a Z: B twice, odd and even columns of B, or its odd and
even principal components. Differences from the best peer:
"""

RANKS = """\
Y of the held-out rows from X and Z, without tuning. Rank k is that of the coefficients: PLS with k components, least squares projected
to rank k, and forms of rank k, at most 500 steps. Means over the same splits; the last line is paired, ± as above.
"""

READING = """\
## What the tables say

**No form is ahead of the best peer in any study.** By maximum likelihood a form is behind by 0.003 on tumours, 0.009 and 0.004 on digits,
0.007 and 0.026 on fertility, 0.027 and 0.012 on schools. That is two to five times the ± of the table (pupils: 1.6 times); if ± is doubled, as it
should be, the loss is beyond doubt on digits (above) and for teachers only. It is ahead of least squares on digits and fertility, by 0.02 to 0.09, but there
ridge is too.

**Likelihood beats the descent in seven studies of eight**, by 0.004 to 0.05, and is even with it in the other (fertility 1960–76: 0.012 ± 0.012 less, 5 splits of 10 each).
The descent is behind the best peer by 0.007 to 0.08.

Why forms are behind:

- *Nothing but rank shrinks them.* On digits and tumours nearly all choices are the highest rank, where a form can have any coefficients that least squares have. Where shrinkage
  pays (least squares lose 0.02 to 0.11 on digits and fertility), ridge and PLS have it and a form has only its rank, and to stop early: 10 steps are chosen in seven splits of ten on digits (middle) and eight on fertility (1994–2010).
- *The response is one modality of three.* Likelihood and F count all columns. On tumours there is nothing to shrink, least squares are as good as any, and a form loses 0.003.
- *The form is not the whole truth here.* On data drawn from one, `notebooks/latent_forms.ipynb`, likelihood predicts best. Here the form is not even the right law: on the
  rows seen in the first split, its likelihood ratio against an unrestricted covariance is about 800 on 25 degrees of freedom for tumours at rank ten, and 7300 on 795 for fertility at rank eight. What such a law predicts is not what predicts best.
- *Rank is limited* by the smaller of X and Z: four on schools, for five columns of teachers.

Where likelihood stops matters as much as the differences: with a tolerance of 1e-6 instead of 1e-5 (a run of its own) they were −0.023 and −0.010 on digits, −0.020 and −0.006 on schools, −0.007 and −0.030 on fertility, −0.002
on tumours. Neither tolerance is better throughout.

**At equal ranks** (table below) the form by likelihood is ahead of PLS on tumours from two components on, by 0.01 to 0.05, and on fertility at one, by 0.05, and even at eight; behind on digits, on schools, and on fertility in between. Reduced-rank
regression, made for Y alone, is ahead of both until k is large enough for least squares to overfit: up to 8 on digits, 2 on fertility, 3 on schools, at every k on tumours. At the lowest ranks likelihood is behind even the descent, except on schools: its components go where columns vary together most, in
whatever modality.

**With one other modality** forms lose more. Halves have half the rank, five for ten columns of tumours: −0.05 and −0.06. B twice has its full rank and loses 0.007 and 0.008 on digits and tumours; on fertility it fails (−0.19 ± 0.10), as noise that is
the same on both sides is taken for independent.

So: to predict one response from what is given, take ridge, PLS or reduced-rank regression; they take at most tens of milliseconds where likelihood takes 0.03 to 0.6 s. A form is for codes that three modalities share, and for one fit that answers questions in every direction; the price in prediction is the above, and
`method="ml"` has the lower one.

`CCA, predict` is far behind because it takes the response's own variates to be those of the predictors; the regression on variates is the fair rival.
"""
