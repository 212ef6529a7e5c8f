"""Reading settings from the CDK context: each is checked, and all errors are told at once."""

import difflib
import re
from collections.abc import Mapping, Sequence


class ConfigError(ValueError):
    """The settings cannot be used; `errors` tells each reason on a line of its own."""

    def __init__(self, errors: Sequence[str]) -> None:
        super().__init__("\n".join(errors))
        self.errors = tuple(errors)


class Settings:
    """The context's values by name. A nested value's name is dotted: `training.waits`.

    A value given on the command line (`-c training.waits=4`) wins over the same one within an
    object in cdk.json. Each reader returns the default if the setting is absent or bad.

    Attributes:
        known: the names that were asked for.
        errors: what is wrong so far.
    """

    def __init__(self, context: Mapping[str, object]) -> None:
        # The CDK's own keys hold a colon (flags, cached look-ups); none of ours does.
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
        """A text that matches the whole pattern; `allowed` says the same in words."""
        value = self._taken(name)
        if value is None:
            return default
        if re.fullmatch(pattern, value):
            return value
        self.refuse(name, value, allowed)
        return default

    def choice(self, name: str, default: str, choices: Sequence[str]) -> str:
        """One of the choices."""
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
        """Some of the choices, each once, separated by commas.

        Args:
            name: the setting.
            default: in the same form.
            choices: what may be chosen.
            prefix: may stand before each of them.
            retired: what may no longer be chosen, and what replaces it.
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
        """A whole number from `low` to `high` in steps counted from `low`."""
        value = self._taken(name)
        if value is None:
            return default
        if re.fullmatch(r"\d+", value) and int(value) in range(low, high + 1, step):
            return int(value)
        steps = "" if step == 1 else f" in steps of {step}"
        self.refuse(name, value, f"a whole number from {low} to {high}{steps}")
        return default

    def flag(self, name: str, default: bool) -> bool:
        """`true` or `false`."""
        words = {"true": True, "false": False}
        return words[self.choice(name, str(default).lower(), tuple(words))]

    def section(self, name: str) -> dict[str, str]:
        """All values under a dotted name, by the rest of their names, as texts."""
        dotted = [key for key in self._values if key.startswith(f"{name}.")]
        found = {key.removeprefix(f"{name}."): self._taken(key) for key in dotted}
        return {key: value for key, value in found.items() if value is not None}

    def refuse(self, name: str, value: str, allowed: str) -> None:
        """Note that the setting's value cannot be used, and what can."""
        self.errors.append(f"{name}: {value!r} is not {allowed}")

    def finish(self) -> None:
        """Refuse settings that nobody read, then raise what has been noted.

        Raises:
            ConfigError: there was an error.
        """
        for name in sorted(self._values.keys() - self.known):
            near = difflib.get_close_matches(name, self.known, n=1)
            hint = f"; is {near[0]} meant?" if near else ""
            self.errors.append(f"{name}: there is no such setting{hint}")
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
