"""Lists for every user: a linear model of item-to-item weights and next-item transitions.

A user's scores are the sum of the rows of the user's items, weighted by interest and recency. So an
event takes effect at once, the reasons are the largest summands, and serving needs only numpy.

* `recsys.lists.blend`: the formula, shared with the local Personalize's recipes.
* `recsys.lists.model`: the artifact and its queries; it imports only numpy.
* `recsys.lists.gate`: whether a new model should replace the one in service.
* `recsys.lists.report`: what the gate found, as a page.
* `recsys.lists.training`: the estimator `Lists`, whose settings are chosen by nested validation.
"""
