"""Similar items: taken by the same users, taken right after it, or with the same attributes."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from recsys.recipes.dataset import Dataset
from recsys.recipes.evaluation import best_of
from recsys.recipes.hyperparameters import Given
from recsys.recipes.interest import Interest
from recsys.recipes.metadata import Attributes
from recsys.recipes.personal import inherited, most_taken
from recsys.recipes.recipe import Config, Model, Query
from recsys.recipes.sparse import Sparse

_SHRINKAGE = 10.0
_SHARPNESS = 0.5


@dataclass(frozen=True)
class Mix:
    """Weights of the parts of a score, relative to 1 for common users.

    Attributes:
        discount: popularity discount, 0 … 1; ½ is the cosine.
        least_shared: the minimum number of common users of a pair.
        next_item: weight of being taken right after the given item.
        popularity: weight of popularity, which also breaks ties.
        alike: weight of having the same attributes.
    """

    discount: float = 0.5
    least_shared: int = 1
    next_item: float = 0.1
    popularity: float = 0.5
    alike: float = 0.1

    @classmethod
    def of(cls, config: Config) -> Self:
        """Parse the recipe's hyperparameters; `InputError` for unknown names."""
        given = Given(config.hyperparameters)
        sims = config.recipe == "aws-sims"
        mix = cls(
            discount=given.number("popularity_discount_factor", cls.discount, 0.0, 1.0),
            least_shared=int(
                given.number("min_cointeraction_count", 3 if sims else cls.least_shared, 0, 10)
            ),
            next_item=given.number("next_item_weight", 0.0 if sims else cls.next_item, 0.0, 10.0),
            popularity=given.number("popularity_weight", cls.popularity, 0.0, 10.0),
            alike=given.number("attributes_weight", 0.0 if sims else cls.alike, 0.0, 10.0),
        )
        given.close()
        return mix


@dataclass(frozen=True)
class RelatedModel:
    """A trained model of similar items.

    Attributes:
        shared: number of common users, items × items without the diagonal; only items in the model
            have any.
        follows: the next-item model, items × items.
        counts: users of each item, float64[items].
    """

    shared: Sparse
    follows: Sparse
    counts: NDArray[np.float64]
    attributes: Attributes
    mix: Mix

    def score(self, query: Query) -> NDArray[np.float32]:
        """Score the similarity of each item to `query.item`; popularity if it is unknown."""
        mix, items, item = self.mix, len(self.counts), query.item
        popular = np.log1p(self.counts)
        if item < 0:
            return np.asarray(popular, np.float32)
        row = slice(int(self.shared.indptr[item]), int(self.shared.indptr[item + 1]))
        others, common = self.shared.indices[row], self.shared.data[row]
        norm = self.counts[item] ** (1 - mix.discount) * self.counts[others] ** mix.discount
        together = np.zeros(items)
        together[others] = np.where(common >= mix.least_shared, common / (norm + _SHRINKAGE), 0.0)
        one = np.array([item])
        scores = _by_spread(together) + mix.popularity * _by_spread(popular)
        if mix.next_item:
            follows = self.follows.sum_rows(one, np.ones(1), items)
            scores += mix.next_item * _by_spread(follows)
        if mix.alike:
            scores += mix.alike * _by_spread(self.attributes.like(one, np.ones(1)))
        scores[item] = -np.inf
        return np.asarray(_SHARPNESS * scores, np.float32)

    def save(self, folder: Path) -> None:
        """Write a file for each array, and `related.json`."""
        self.shared.save(folder, "shared")
        self.follows.save(folder, "follows")
        np.save(folder / "counts.npy", self.counts)
        self.attributes.save(folder)
        (folder / "related.json").write_text(json.dumps(asdict(self.mix)), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load what `save` wrote, memory-mapped."""
        return cls(
            shared=Sparse.load(folder, "shared"),
            follows=Sparse.load(folder, "follows"),
            counts=np.load(folder / "counts.npy"),
            attributes=Attributes.load(folder),
            mix=Mix(**json.loads((folder / "related.json").read_text(encoding="utf-8"))),
        )


class Related:
    """Similar-Items, SIMS, More like X and Because you watched X."""

    model: type[Model] = RelatedModel
    related = True

    def fit(self, data: Dataset, config: Config) -> RelatedModel:
        """Train on all of `data`, limited to the most taken items."""
        from scipy import sparse  # imported late, because serving starts twice as fast without it

        from recsys.item_models import Transitions

        config = inherited(config)
        mix = Mix.of(config)
        taken = Interest.of(data, config).in_data(data)
        items = len(data.items)
        counts = np.bincount(taken.item, minlength=items)
        learned = np.zeros(items, bool)
        learned[most_taken(counts)] = True
        kept = learned[taken.item]
        user, item = taken.user[kept], taken.item[kept]
        ones = np.ones(len(user), np.float32)
        matrix: Any = sparse.csr_array((ones, (user, item)), shape=(len(data.users), items))
        shared = (matrix.T @ matrix).tocsr()
        shared.setdiag(0.0)
        shared.eliminate_zeros()
        return RelatedModel(
            shared=Sparse.of(shared),
            follows=Sparse.of(Transitions().fit(user, item, items).weights),
            counts=counts.astype(np.float64),
            attributes=Attributes.of(data),
            mix=mix,
        )

    def tune(self, data: Dataset, config: Config) -> Config:
        """Choose the weights on a held-out fifth of the users."""
        choices = {
            "popularity_discount_factor": (0.25, 0.5, 0.75),
            "min_cointeraction_count": (1.0, 3.0),
        }
        if config.recipe != "aws-sims":
            choices |= {"next_item_weight": (0.0, 0.2), "attributes_weight": (0.0, 0.2)}

        def variant(model: Model, changed: Config) -> Model:
            assert isinstance(model, RelatedModel)
            return replace(model, mix=Mix.of(changed))

        return best_of(self, data, config, choices, variant)


def _by_spread(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    spread = float(scores.std())
    level = spread <= 1e-9 * float(np.abs(scores).max())  # equal except for rounding
    return np.zeros(len(scores)) if level else scores / spread
