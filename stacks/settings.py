"""Reads and validates settings from the CDK context; all errors are reported together."""

import difflib
import json
import re
from collections.abc import Mapping, Sequence


class ConfigError(ValueError):
    """The settings are invalid; `errors` has one line per error."""

    def __init__(self, errors: Sequence[str]) -> None:
        super().__init__("\n".join(errors))
        self.errors = tuple(errors)


class Settings:
    """The context's values by name. Nested names are dotted: `training.waits`.

    A value on the command line (`-c training.waits=4`) overrides the same one in an object in
    cdk.json. Each reader returns the default if the setting is missing or invalid.

    Attributes:
        known: the names that were read.
        errors: the errors so far.
    """

    def __init__(self, context: Mapping[str, object]) -> None:
        # The CDK's own keys contain a colon (flags, cached look-ups); the project's do not.
        ours = {
            name: value
            for name, value in context.items()
            if ":" not in name and name != "acknowledged-issue-numbers"
        }
        self._values: dict[str, object] = {}
        for name, value in sorted(ours.items(), key=lambda item: "." in item[0]):
            if isinstance(value, Mapping):
                self._values |= {f"{name}.{key}": inner for key, inner in value.items()}
            else:
                self._values[name] = value
        self.known: set[str] = set()
        self.errors: list[str] = []

    def text(self, name: str, default: str, *, pattern: str, allowed: str) -> str:
        """Read a string that matches the whole pattern; `allowed` describes the pattern."""
        value = self._taken(name)
        if value is None:
            return default
        if re.fullmatch(pattern, value):
            return value
        self.refuse(name, value, allowed)
        return default

    def choice(self, name: str, default: str, choices: Sequence[str]) -> str:
        """Read one of the choices."""
        value = self._taken(name)
        if value is None or value in choices:
            return value or default
        self.refuse(name, value, "one of " + ", ".join(choices))
        return default

    def words(
        self,
        name: str,
        default: str,
        choices: Sequence[str],
        prefix: str = "",
        retired: Mapping[str, str] | None = None,
    ) -> tuple[str, ...]:
        """Read several of the choices, each at most once, separated by commas.

        Args:
            name: the setting.
            default: the default, in the same format.
            choices: the allowed values.
            prefix: an optional prefix of each value.
            retired: retired values and their replacements.
        """
        value = self._taken(name)
        given = [word.strip() for word in (default if value is None else value).split(",")]
        chosen: dict[str, None] = {}
        for word in given:
            plain = word.lower().removeprefix(prefix)
            if plain in choices:
                chosen[plain] = None
            elif plain in (retired or {}):
                assert retired
                self.errors.append(f"{name}: {word} is retired; use {retired[plain]}")
            elif word:
                self.refuse(name, word, "one of " + ", ".join(choices))
        return tuple(chosen)

    def whole(self, name: str, default: int, *, low: int, high: int, step: int = 1) -> int:
        """Read an integer from `low` to `high`, in steps counted from `low`."""
        value = self._taken(name)
        if value is None:
            return default
        if re.fullmatch(r"\d+", value) and int(value) in range(low, high + 1, step):
            return int(value)
        steps = "" if step == 1 else f" in steps of {step}"
        self.refuse(name, value, f"a whole number from {low} to {high}{steps}")
        return default

    def flag(self, name: str, default: bool) -> bool:
        """Read `true` or `false`."""
        words = {"true": True, "false": False}
        return words[self.choice(name, str(default).lower(), tuple(words))]

    def section(self, name: str) -> dict[str, str]:
        """All values under a dotted name, by the rest of their names, as strings."""
        dotted = [key for key in self._values if key.startswith(f"{name}.")]
        found = {key.removeprefix(f"{name}."): self._taken(key) for key in dotted}
        return {key: value for key, value in found.items() if value is not None}

    def objects(self, name: str) -> dict[str, object]:
        """All objects under a dotted name, by the rest of their names; a text is read as JSON."""
        found: dict[str, object] = {}
        for key in [key for key in self._values if key.startswith(f"{name}.")]:
            self.known.add(key)
            value = self._values[key]
            try:
                found[key.removeprefix(f"{name}.")] = (
                    json.loads(value) if isinstance(value, str) else value
                )
            except ValueError as error:
                self.errors.append(f"{key}: not JSON: {error}")
        return found

    def refuse(self, name: str, value: str, allowed: str) -> None:
        """Record that the setting's value is invalid, with the allowed values."""
        self.errors.append(f"{name}: {value!r} is not {allowed}")

    def finish(self) -> None:
        """Report settings that were not read, and raise all recorded errors.

        Raises:
            ConfigError: there were errors.
        """
        for name in sorted(self._values.keys() - self.known):
            near = difflib.get_close_matches(name, self.known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            self.errors.append(f"{name}: unknown setting{hint}")
        if self.errors:
            raise ConfigError(self.errors)

    def _taken(self, name: str) -> str | None:
        self.known.add(name)
        value = self._values.get(name)
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        return None if value is None else str(value).strip()
