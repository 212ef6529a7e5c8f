"""Lists for every user: a linear model of what goes with what, and of what comes next.

A user's scores are the sum of the rows of what the user took, weighed by interest and recency. So
an event counts at once, the reasons are the largest summands, and serving takes numpy alone.

* `recsys.lists.blend`: the formula, shared with the local Personalize's recipes.
* `recsys.lists.model`: the artifact and what it answers; it imports nothing but numpy.
* `recsys.lists.training`: the estimator `Lists`, whose settings are chosen by nested validation.
"""
