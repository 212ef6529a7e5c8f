"""Prints docs/personalize-coverage.md: `python -m local_aws.personalize.coverage`."""

from moto.core.utils import camelcase_to_underscores, get_service_model

from local_aws.api import LocalResponse
from local_aws.personalize import catalogue
from local_aws.personalize.responses import EventsResponse, PersonalizeResponse, RuntimeResponse

_APIS: tuple[tuple[str, type[LocalResponse]], ...] = (
    ("Amazon Personalize", PersonalizeResponse),
    ("Amazon Personalize Runtime", RuntimeResponse),
    ("Amazon Personalize Events", EventsResponse),
)
_DIFFERENCES = """\
## Differences from AWS

- Recipes are the models of the installed plug-in, under AWS's names; their hyperparameters are
  checked by name, and used if the local model supports them.
- Refused by name, in addition to the operations marked below: actions, the recipe
  `aws-next-best-action`, themes in batch inference, incremental updates of solutions,
  `rankingInfluence` of other recipes than `aws-semantic-similarity`.
- Of textual metadata, the local models use the words, weighted by tf-idf, where AWS's use a
  language model.
- `aws-semantic-similarity` does so, too: items are similar by the words that their names
  (`itemName`) and descriptions (`textual`) share, not by their meaning. Items without any word are
  not recommended; to an item that is unknown or has none, the most popular ones are. AWS documents
  neither, nor how an influence counts: here, the cosine is multiplied by 1 + POPULARITY ·
  (interactions / those of the most popular item) + FRESHNESS · (0 for the oldest item to 1 for the
  newest). A schema without the two fields fails the training; AWS documents that they are needed,
  not when it says so. An `itemName` that is categorical or textual, too, is refused, because AWS
  describes them as different fields. Metrics are empty without interactions. On AWS, incremental
  updates are on by default; here, `performIncrementalUpdate` is false, and new items are similar
  from the next training on, which `autoTrainingConfig` can make daily.
- The weight of an objective's sensitivity is that of the local model.
- An export is one object, `JOB.csv`, in the order in which the records were received; IMPRESSION,
  RECOMMENDATION_ID and EVENT_ATTRIBUTION_SOURCE of interactions are not stored and therefore empty.
- Metric attributions report to CloudWatch at once, with the dimension EVENT_ATTRIBUTION_SOURCE; AWS
  reports every 15 minutes and documents no dimension name. The source of a `recommendationId` is
  known for the last 100,000 responses.
- A data deletion job completes within moments; models that were trained before still contain the
  users' interactions, but no segment contains those users.
- AWS trains automatically unless `performAutoTraining` is false. So does the local AWS, an hour
  after the solution is created and then on its schedule, as long as it runs.
- Imports report every invalid row; AWS names none. Metadata values that do not conform to the
  schema are treated as missing in at most 1 % of the rows: AWS is documented to accept some, but
  its limit is unknown. Columns that are not in the schema, or differ in upper and lower case, are
  accepted too; an ACTIVE job reports all of this in its `failureReason`. Timestamps in milliseconds
  are errors.
- An event with a repeated `eventId` counts in filters and for the user at once, but not in
  trainings; AWS documents only the latter.
- An item added after a training (PutItems, PutEvents) is not recommended before the next training.
- A dataset group whose KMS key its role or Personalize may not use becomes CREATE FAILED. Later on,
  filters, jobs, trainings and other resources of the group become CREATE FAILED, and
  recommendations and events are an InvalidInputException: AWS documents "issues" with filters and
  recommendations, without the errors.
- `minProvisionedTPS` and `itemExplorationConfig` are stored but have no effect. What is done with
  each member of a request is in [request-members.md](request-members.md).
"""


def implemented(api: type[LocalResponse]) -> dict[str, bool]:
    """Map every operation of an API to whether it is implemented."""
    return {
        name: hasattr(api, camelcase_to_underscores(name))
        for name in get_service_model(api.service).operation_names
    }


def table() -> str:
    """Format the document."""
    parts = [
        "# Amazon Personalize on the local AWS",
        "",
        "Generated from botocore's models by `python -m local_aws.personalize.coverage`; what is "
        "not implemented is refused with `NotImplementedByLocalAws`.",
        "",
        _DIFFERENCES,
        "## Recipes",
        "",
        "| recipe | type | domain | GetRecommendations needs |",
        "|---|---|---|---|",
    ]
    for recipe in catalogue.RECIPES.values():
        needs = ", ".join(recipe.needs) or "–"
        parts.append(f"| `{recipe.name}` | {recipe.type} | {recipe.domain or '–'} | {needs} |")
    for title, api in _APIS:
        found = implemented(api)
        count = f"{sum(found.values())} of {len(found)} operations"
        parts += ["", f"## {title}: {count}", "", "| operation | |", "|---|---|"]
        parts += [f"| {name} | {'yes' if there else 'refused'} |" for name, there in found.items()]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    print(table(), end="")
