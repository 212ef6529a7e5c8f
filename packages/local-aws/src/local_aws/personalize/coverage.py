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
## What differs from AWS

- Recipes are the models of the installed plug-in, by the names of AWS's; their hyperparameters are
  checked by name, and used where the local model has such a thing.
- Refused by name, besides the operations marked below: actions, recipes `aws-next-best-action`
  and `aws-semantic-similarity`, themes in batch inference, incremental updates of
  solutions, `rankingInfluence`.
- How much an objective's sensitivity weighs is the local model's own.
- An export is one object, `JOB.csv`, in the order in which records came; IMPRESSION,
  RECOMMENDATION_ID and EVENT_ATTRIBUTION_SOURCE of interactions are not kept, and empty there.
- Metric attributions report to CloudWatch at once, by the dimension EVENT_ATTRIBUTION_SOURCE; AWS
  does so every 15 minutes and documents no name of a dimension. The source of a
  `recommendationId` is known for the last 100,000 answers.
- A data deletion job is over in a moment; models that were trained before still know the users'
  interactions, but no segment has those users.
- AWS trains by itself unless `performAutoTraining` is false. So does the local AWS, an hour after
  the solution is made and then by its schedule, as long as it runs.
- Imports tell of every bad row; AWS names none. Values of metadata that do not conform to the
  schema are taken as missing in at most 1 % of the rows: AWS is on record with taking some, and
  where it stops is not known. Columns that the schema does not have, or spells in other letters,
  are taken, too; an ACTIVE job tells of all this in its `failureReason`. Timestamps in
  milliseconds are errors.
- An event whose `eventId` came before counts in filters and for the user at once, and not in
  trainings; AWS documents the latter alone.
- An item that came after a training (PutItems, PutEvents) is not recommended before the next one.
- `minProvisionedTPS`, KMS keys and `itemExplorationConfig` are remembered, and change nothing.
"""


def implemented(api: type[LocalResponse]) -> dict[str, bool]:
    """Every operation of an API, and whether it is implemented."""
    return {
        name: hasattr(api, camelcase_to_underscores(name))
        for name in get_service_model(api.service).operation_names
    }


def table() -> str:
    """The whole document."""
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
