"""Sentiment of movie-review snippets, for machines without the Hub.

Hutto and Gilbert (ICWSM 2014) rated 10,605 snippets from -4 to 4; the ratings stand in the source archive of
vaderSentiment (MIT licence), which PyPI serves. The snippets contain most of SST-2's dev sentences: a mask trained
on them must not be scored on SST-2.
"""

import io
import tarfile
import zlib

from emmental.common.downloads import from_pypi
from emmental.tasks.rows import Row

ARCHIVE = "vaderSentiment-3.3.2.tar.gz"
ARCHIVE_SHA256 = "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9"
INNER_ARCHIVE = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
RATINGS = "hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt"
LEAST_RATING = 0.5  # weaker ratings are neither positive nor negative


def read() -> dict[str, list[Row]]:
    """Rows with ``sentence`` and ``label`` by split (train, validation)."""
    splits = {"train": [], "validation": []}
    for row in rated_snippets(_ratings_file()):
        splits[split_of(row.values["sentence"])].append(row)
    return splits


def rated_snippets(text: str) -> list[Row]:
    """The rows of lines "id, mean rating, snippet" (tab-separated) whose rating is clear."""
    rows = []
    for line in text.rstrip().split("\n"):
        number, rating, snippet = line.rstrip("\r").split("\t")
        if abs(float(rating)) >= LEAST_RATING:
            label = "positive" if float(rating) > 0 else "negative"
            rows.append(Row(f"{RATINGS}, snippet {number}", {"sentence": snippet, "label": label}))
    return rows


def ratings() -> list[tuple[float, str]]:
    """All mean ratings, from -4 to 4, with their snippets."""
    lines = (line.rstrip("\r").split("\t") for line in _ratings_file().rstrip().split("\n"))
    return [(float(rating), snippet) for _, rating, snippet in lines]


def split_of(sentence: str) -> str:
    """A fixed tenth of all sentences validates: chosen by the text, so that equal snippets stay on one side."""
    return "validation" if zlib.crc32(sentence.encode()) % 10 == 0 else "train"


def _ratings_file() -> str:
    with tarfile.open(from_pypi(ARCHIVE, ARCHIVE_SHA256)) as outer:
        inner = io.BytesIO(outer.extractfile(INNER_ARCHIVE).read())
    with tarfile.open(fileobj=inner) as archive:
        return archive.extractfile(RATINGS).read().decode("utf-8")
