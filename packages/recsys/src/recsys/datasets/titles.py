"""Titles that read like films' titles, for films that do not exist."""

import re
from bisect import bisect
from collections.abc import Sequence
from functools import cache
from itertools import accumulate

import numpy as np

# Words by genre: what such a film is about.
_ABOUT = {
    "Action": (
        "Bullet Convoy Siege Detonator Interceptor Armada Crossfire Ambush Vanguard Payload "
        "Gauntlet Warhead"
    ),
    "Adventure": (
        "Expedition Compass Lagoon Cartographer Galleon Summit Caravan Archipelago Voyage "
        "Rapids Treasure Trail"
    ),
    "Animation": (
        "Hedgehog Teapot Inkwell Marionette Snowflake Tadpole Gramophone Acorn Kite Crayon "
        "Otter Bumblebee"
    ),
    "Children's": (
        "Puppy Treehouse Pony Playground Kitten Carousel Marble Badger Pumpkin Duckling "
        "Sandcastle Sleigh"
    ),
    "Comedy": (
        "Landlord Parrot Honeymoon Bachelor Plumber Picnic Nephew Moustache Dentist Toupee "
        "Neighbour Buffet"
    ),
    "Crime": (
        "Ledger Accomplice Syndicate Bookmaker Alibi Pawnbroker Racket Getaway Forger Docket "
        "Fence Informer"
    ),
    "Documentary": (
        "Archive Harvest Glacier Orchestra Lighthouse Census Vineyard Reactor Shipyard "
        "Migration Quarry Seedbank"
    ),
    "Drama": (
        "Orchard Inheritance Verdict Widow Winter Silence Daughter Promise Quarrel Testament "
        "Harbor Keepsake"
    ),
    "Fantasy": (
        "Griffin Amulet Sorcerer Labyrinth Unicorn Oracle Changeling Talisman Wyvern "
        "Enchantress Rune Alchemist"
    ),
    "Film-Noir": (
        "Streetlamp Alley Stranger Overcoat Saxophone Cigarette Shadow Nightclub Gumshoe Pier "
        "Blackmail Dame"
    ),
    "Horror": (
        "Crypt Cellar Scarecrow Mortuary Seance Hollow Effigy Asylum Locust Catacomb Revenant "
        "Tombstone"
    ),
    "Musical": (
        "Ballroom Melody Chorus Footlights Serenade Tango Bandstand Crooner Waltz Matinee "
        "Operetta Encore"
    ),
    "Mystery": (
        "Cipher Locket Disappearance Manuscript Keyhole Witness Portrait Clue Footprint "
        "Riddle Passenger Attic"
    ),
    "Romance": (
        "Valentine Bouquet Sweetheart Kiss Courtship Moonlight Wedding Embrace Rendezvous "
        "Bride Suitor Perfume"
    ),
    "Sci-Fi": (
        "Android Nebula Satellite Airlock Colony Quasar Hologram Mutation Starship Orbit "
        "Automaton Singularity"
    ),
    "Thriller": (
        "Hostage Deadline Pursuit Conspiracy Double Sniper Surveillance Ransom Betrayal "
        "Assassin Fugitive Threat"
    ),
    "War": (
        "Trench Battalion Armistice Garrison Regiment Bridgehead Bugle Sortie Medic Platoon "
        "Ceasefire Dispatch"
    ),
    "Western": (
        "Saddle Canyon Outlaw Homestead Stagecoach Prairie Sheriff Mustang Gulch Spur Rustler "
        "Tumbleweed"
    ),
}
_LIKE = (
    "Amber Borrowed Pewter Broken Burning Clever Copper Counterfeit Crimson Crooked Distant "
    "Drowning Emerald Eleventh Faithful Fallen Feverish Forgotten Frozen Gentle Gilded Hidden "
    "Impossible Indigo Ivory Lonesome Lost Marble Midnight Nameless Northern Obedient "
    "Paper Patient Porcelain Quiet Ragged Reluctant Restless Errant Rusted Saltwater Scarlet "
    "Secret Seventh Silent Sleepless Solitary Southern Stolen Stubborn Sunken Tender Thirteenth "
    "Tin Unfinished Unlikely Velvet Vermilion Wandering Weary Whispering Wooden"
)
_PLACES = (
    "Abbotsmere|Alderwick|Bellhaven|Bramblecote|Calder Point|Cinder Bay|Corvane|Dunmarrow|"
    "Eastmarch|Fallowfield|Garrow Island|Glimmerford|Halloway|Ironmouth|Juniper Falls|"
    "Kestrel Hill|Larkspur Lane|Lindenau|Marrowgate|Mirador|Norvale|Orsk Bay|Pemberley Cross|"
    "Port Solace|Quillmore|Ravensholt|Rosamund Street|Saint Orla|Santa Pereda|Sorrel Creek|"
    "Tarn Hollow|Thistledown|Umberto Square|Valdorra|Vesper Lane|Westerling|Winterbourne|"
    "Wyndham Pier|Yarrowdale|Zephyr Springs"
)
_NAMES = (
    "Abelard Agnes Ambrose Augusta Barnaby Bertrand Celestine Clementine Cornelius Delphine "
    "Dorothea Edmund Eloise Esperanza Ferdinand Florian Giselle Gwendolyn Hester Horatio "
    "Ignatius Imogen Isolde Jasper Josephine Leopold Lucinda Magnus Marguerite Mathilda "
    "Montague Nadia Octavia Odile Ottoline Percival Philippa Quentin Rosalind Rupert Sebastian "
    "Seraphina Silas Theodora Tobias Ursula Vivienne Wilhelmina Winifred Zelda"
)
_FAMILIES = (
    "Abernathy Ashdown Bellweather Blackwood Castellane Crabtree Drummond Fairweather "
    "Featherstone Goodfellow Hargreave Hollister Larkin Lovelace Merriweather Nightingale "
    "Okonjo Pennington Quimby Ravenscroft Sandoval Silverstein Thackeray Underhill Valentini "
    "Wexford Whitlock Yamada Zoltan"
)
_DOING = "Waiting for|Looking for|Remembering|Forgetting|Chasing|Dancing with|Writing to|Forgiving"
_NUMBERS = "Two Three Four Five Six Seven Nine Ten Twelve Forty"
_PARTS = ("II", "III", "IV")
# Forms of titles, and how common each is.
_WEIGHTED = {
    "The {like} {about}": 26,
    "{like} {about}": 18,
    "The {about} of {place}": 14,
    "{name}'s {about}": 9,
    "A {about} for {name}": 8,
    "The {about} and the {other}": 6,
    "The {about} at {place}": 5,
    "{doing} {name}": 4,
    "{number} Nights in {place}": 3,
    "Return to {place}": 3,
    "{name} {family}": 2,
    "Doctor {family} and the {about}": 2,
}
_FORMS, _CHANCES = tuple(_WEIGHTED), tuple(accumulate(_WEIGHTED.values()))


class Titles:
    """Makes titles, no two alike, with the year in brackets and a leading article at the end."""

    def __init__(self, random: np.random.Generator) -> None:
        self._random = random
        self._made: set[str] = set()
        self._series: dict[str, list[tuple[str, int]]] = {}

    def make(self, genres: Sequence[str], year: int) -> str:
        """A new title for a film of these genres, the first of which counts most."""
        while True:
            title = self._sequel(genres[0], year) if self._random.random() < 0.04 else None
            title = title or self._first(genres, year)
            if title not in self._made:
                self._made.add(title)
                return title

    def _sequel(self, genre: str, year: int) -> str | None:
        """The next part of an earlier film of the genre, if there is one."""
        earlier = self._series.get(genre)
        if not earlier:
            return None
        place = int(self._random.integers(len(earlier)))
        name, when = earlier[place]
        head, *part = name.rsplit(" ", 1)
        number = _PARTS.index(part[0]) + 1 if part and part[0] in _PARTS else 0
        if year <= when or number == len(_PARTS):
            return None
        name = f"{head if number else name} {_PARTS[number]}"
        earlier[place] = name, year
        return _catalogued(name, year)

    def _first(self, genres: Sequence[str], year: int) -> str:
        genre = genres[0 if self._random.random() < 0.7 else -1]
        form = _FORMS[bisect(_CHANCES, self._random.random() * _CHANCES[-1])]
        about, other = self._one(_ABOUT[genre]), self._one(_ABOUT[genres[0]])
        title = form.format(
            like=self._one(_LIKE),
            about=about,
            other=other if other != about else "Stranger",
            place=self._one(_PLACES),
            name=self._one(_NAMES),
            family=self._one(_FAMILIES),
            doing=self._one(_DOING),
            number=self._one(_NUMBERS),
        )
        title = re.sub(r"^A (?=[AEIOU])", "An ", title)
        self._series.setdefault(genres[0], []).append((title, year))
        return _catalogued(title, year)

    def _one(self, text: str) -> str:
        words = _words(text)
        return words[int(self._random.integers(len(words)))]


@cache
def _words(text: str) -> list[str]:
    return text.split("|" if "|" in text else " ")


def _catalogued(name: str, year: int) -> str:
    """A title as MovieLens writes it: "Amber Compass, The (1987)"."""
    article, _, rest = name.partition(" ")
    if article in {"The", "A", "An"}:
        name = f"{rest}, {article}"
    return f"{name} ({year})"
