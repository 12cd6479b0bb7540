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

**No form is ahead of the best peer in any study.** By maximum likelihood a form is even with it on fertility (0.001 and 0.003 behind, within ±), 0.001 and 0.002 behind on
tumours (1.6 and 2.6 times ±), 0.011 and 0.022 on schools (pupils: 5 splits of 10 each way), and clearly behind on digits: 0.064 and 0.045, in the median split 0.038 and 0.022.

**Likelihood beats the descent in six studies of eight**, by 0.005 to 0.06, and loses to it on digits, by 0.045 and 0.037 (about 1.7 times ±). The descent is behind the best peer by 0.006 to 0.09.

Why forms are behind:

- *Nothing but rank shrinks them.* On digits and tumours most choices are the highest rank, where a form can have any coefficients that least squares have. Where shrinkage
  pays (least squares lose 0.02 to 0.11 on digits and fertility), ridge and PLS have it and a form has only its rank, and to stop early.
- *Pixels that are empty in nearly all images.* Likelihood knows no units, so that such a pixel counts as much as any other, and its noise may be estimated as next to nothing. A held-out image that has ink there is
  then predicted badly: two splits of ten lose about 0.2 on the middle, one on the part above. Least squares lose as much to the same pixels (0.04 in the mean, 0.002 in the median). Leave such columns out.
- *The response is one modality of three.* Likelihood and F count all columns. On tumours there is nothing to shrink, least squares are as good as any, and a form loses 0.001 to 0.002.
- *The form is not the whole truth here.* On data drawn from one, `notebooks/latent_forms.ipynb`, likelihood predicts best.
- *Rank is limited* by the smaller of X and Z: four on schools, for five columns of teachers.

Where likelihood stops matters as much as the differences, as its surface has long valleys and several maxima: earlier versions of the acceleration gave −0.009 and −0.004 on digits with the same choices, and −0.007 and −0.026 on fertility.

**At equal ranks** (table below) the form by likelihood is ahead of PLS on tumours from two components on, by 0.01 to 0.05, and on fertility at one and at eight components; behind on digits, on schools but for three components, and on
fertility in between. Reduced-rank regression is made for Y alone, and is ahead of both at low ranks throughout.

**With one other modality** forms lose more: halves have half the rank, five for ten columns of tumours (−0.05 and −0.06). B twice has its full rank; noise that is the same on both sides is then taken for independent. On fertility all
three ways are within two or three ± of the best peer.

So: to predict one response from what is given, take ridge, PLS or reduced-rank regression, which are simpler and take milliseconds. A form is for codes that three modalities share, and for one fit that answers questions in every direction; the price in prediction is the above, and
`method="ml"` has the lower one wherever columns have variation of their own.

`CCA, predict` is far behind because it takes the response's own variates to be those of the predictors; the regression on variates is the fair rival.
"""
