"""A notebook on a folder of examples, in Polars: run it cell by cell (`# %%`), or whole.

    feedrank examples --data ./feedrank-data --out ./examples
    python docs/examples_in_polars.py ./examples

What the columns mean is in docs/examples.md.
"""

# %% The data: one row a post that was seen, and what is known of the posts.
import json
import sys
from pathlib import Path

import lightgbm
import numpy as np
import polars as pl
from sklearn.metrics import roc_auc_score

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "examples")
manifest = json.loads((folder / "manifest.json").read_text())
examples = pl.scan_parquet(folder / "examples-*.parquet")
posts = pl.scan_parquet(folder / "posts.parquet").with_row_index("post").cast({"post": pl.Int32})

print(f"{manifest['rows']:,} examples by {manifest['about']['made_by']}")
print({what: count for what, count in manifest["about"]["counts"].items() if count})

# %% How often each action followed. `weight` undoes the sampling of the negatives.
heads = [head for head in manifest["about"]["heads"] if manifest["positives"][head]]
weight = pl.col("weight")
rates = examples.select(
    (pl.col(f"label.{head}") * weight).sum().alias(head) / weight.sum() for head in heads
).collect()
print(rates.transpose(include_header=True, header_name="head", column_names=["rate"]))

# %% The first head by place: what is on top is acted on more, whatever it is. Do not take it for taste.
head = max(heads, key=lambda name: manifest["positives"][name])
label = pl.col(f"label.{head}")
by_place = (
    examples.filter(pl.col("place") >= 0)
    .group_by("place")
    .agg(weight.sum().alias("rows"), ((label * weight).sum() / weight.sum()).alias(head))
    .sort("place")
)
print(by_place.head(10).collect())

# %% Was the model that served right? Its probabilities against what happened, by tenths.
probability = pl.col(f"probability.{head}")
calibration = (
    examples.filter(probability.is_not_nan())  # a replay does not know what was served
    .with_columns(tenth=(probability.rank("ordinal") - 1) * 10 // pl.len())
    .group_by("tenth")
    .agg(
        ((probability * weight).sum() / weight.sum()).alias("predicted"),
        ((label * weight).sum() / weight.sum()).alias("happened"),
    )
    .sort("tenth")
)
print(calibration.collect())

# %% Whose posts were seen: `post` is the row number in posts.parquet.
authors = (
    examples.join(posts, on="post")
    .group_by("author")
    .agg(weight.sum().alias("seen"), ((label * weight).sum() / weight.sum()).alias(head))
    .sort("seen", descending=True)
)
print(authors.head(5).collect())

# %% The posts most like the one that was seen most, by their vectors (unit rows; NaN where there is none).
vectors = posts.select("vector").collect()["vector"].to_numpy().astype(np.float32)
most_seen = examples.group_by("post").len().sort("len", "post", descending=True).collect()["post"][0]
likeness = np.nan_to_num(vectors @ vectors[most_seen], nan=-1)
nearest = np.argsort(-likeness)[:5]
print(posts.collect()[nearest].select("id", "author").with_columns(likeness=pl.Series(likeness[nearest])))

# %% A model of your own: learn from the earlier four fifths in time, judge on the last; never at random.
matrix = examples.select(pl.col("^feature\\..*$")).collect().to_numpy()
labels = examples.select(label).collect().to_series().to_numpy()
times = examples.select("time_ms").collect().to_series().to_numpy()
late = times > np.quantile(times, 0.8)
weights = examples.select(weight).collect().to_series().to_numpy()
learned = lightgbm.Dataset(matrix[~late], labels[~late], weight=weights[~late])  # NaN is "not known"
model = lightgbm.train({"objective": "binary", "verbose": -1, "num_threads": 2}, learned, 50)
auc = roc_auc_score(labels[late], model.predict(matrix[late]), sample_weight=weights[late])
print(f"AUC of {head} on the last fifth: {auc:.3f}")
