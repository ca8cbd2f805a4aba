"""Models that a strategy loads and uses, and the prices that they were trained on."""

from types import SimpleNamespace

import pandas as pd
import pytest
from registry import learn
from synthetic import ASOF, SESSIONS, TRAINED
from zipline.utils.algo_instance import get_algo_instance, set_algo_instance
from zipline.utils.calendar_utils import get_calendar

from volplugin import HARVolatility, ModelStore, PricePanel, RefitSchedule, WalkForward
from volplugin.adapters.zipline.audit.models import ModelLoad, ModelLog, shipped, unproved
from volplugin.volatility.pretrained import SHIPPED

START = pd.Timestamp("2016-01-04")


def load(panel: PricePanel, **changes) -> ModelLoad:
    given = {
        "path": "store",
        "trained_through": str(panel.last_session.date()),
        "fingerprint": panel.fingerprint(),
        "assets": tuple(panel.assets),
        "universe": tuple(panel.market.assets),
        "early": False,
    }
    return ModelLoad(**given | changes)


def test_models_of_the_bundle_s_own_past_are_proved(synthetic):
    known = synthetic.asof(TRAINED)
    alone = PricePanel(close=known.close[["ALFA", "BRAV"]])
    some = known.select(["ALFA", "BRAV"])
    assert unproved([load(known), load(some)], [synthetic], START) == []
    assert unproved([load(alone)], [synthetic], START) != []
    assert unproved([load(alone)], [synthetic, PricePanel(close=synthetic.close)], START) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"fingerprint": "0" * 64},
        {"trained_through": str(SESSIONS[900].date())},
        {"trained_through": "2030-01-01"},
        {"trained_through": "2000-01-03"},
        {"assets": ("ALFA", "TSLA")},
        {"universe": ("TSLA",)},
    ],
)
def test_models_of_other_prices_are_not(synthetic, changes):
    made = load(synthetic.asof(TRAINED), **changes)
    (text,) = unproved([made], [synthetic], START)
    assert text == (
        f"store, vintage {made.trained_through}: trained on other prices than the bundle's up to "
        f"{made.trained_through}, so that the audit cannot rule out data from the future; train it on this bundle, "
        "or name its prices (--trained-on)"
    )


def test_a_model_loaded_before_its_time(synthetic):
    known = synthetic.asof(TRAINED)
    early, day = load(known, early=True), known.last_session
    (text,) = unproved([early], [synthetic], day)
    assert text.startswith(f"store, vintage {day.date()}: loaded in initialize, before the session it was trained")
    assert unproved([early], [synthetic], day + pd.Timedelta(days=1)) == []
    assert unproved([load(known)], [synthetic], day) == []


def test_models_that_come_with_the_package(synthetic):
    known = synthetic.asof(TRAINED)
    taken = [
        load(known, path=str(SHIPPED), fingerprint="0" * 64, trained_through=day) for day in ("2009-12-31", "2008")
    ]
    assert unproved(taken, [synthetic], START) == []
    assert shipped([*taken, load(known)], [synthetic]) == [
        "models that come with the package (2, the last trained through 2009-12-31) are taken at their word: their "
        "prices are not in the bundle (--trained-on PRICES compares them)"
    ]
    assert shipped([load(known, path=str(SHIPPED))], [synthetic]) == []


def test_loads_and_uses_before_the_end_of_the_training_are_recorded_once(synthetic, tmp_path):
    store, known = ModelStore(tmp_path / "models"), synthetic.asof(TRAINED)
    model = learn(HARVolatility(), known)
    manifest = {"fingerprint": "f", "assets": ["ALFA"], "universe": ["ALFA", "BRAV"]}
    store.save(TRAINED, {}, manifest)
    clock = [None]
    log = ModelLog(lambda: clock[0])
    with log.recording():
        store.load(TRAINED)
        model.predict(known)
        assert log.future == []
        for day in (SESSIONS[900], SESSIONS[910], TRAINED):
            clock[0] = day
            store.load(date=TRAINED)
            model.predict(panel=known)
    model.predict(known)
    day = str(TRAINED.date())
    assert list(log.loads) == [
        ModelLoad(str(store.path), day, "f", ("ALFA",), ("ALFA", "BRAV"), early) for early in (True, False)
    ]
    when = f"when the last completed session was {SESSIONS[900].date()}"
    assert log.future == [
        f"{store.path}: a model trained through {day} was loaded {when}",
        f"HARVolatility: a model trained through {day} was used {when}",
    ]


def test_a_vintage_that_a_walk_forward_selects_is_not_loaded_early(synthetic, tmp_path):
    walk = WalkForward(HARVolatility(), RefitSchedule("yearly"), ModelStore(tmp_path))
    walk.train(synthetic, TRAINED, ASOF, progress=False)
    log = ModelLog(lambda: None)
    with log.recording():
        WalkForward(HARVolatility(), RefitSchedule("yearly"), ModelStore(tmp_path)).vintage_at(ASOF)
    assert [load.early for load in log.loads] == [False]


def test_a_factor_is_computed_for_the_session_before_its_date(synthetic):
    """Zipline computes factors ahead of the strategy's clock."""
    names = {"__name__": "zipline.pipeline.mixins"}
    exec("def _compute(date, use):\n    use()\n", names)
    model, calendar = learn(HARVolatility(), synthetic.asof(TRAINED)), get_calendar("XNYS")
    log, before = ModelLog(lambda: SESSIONS[1200]), get_algo_instance()
    set_algo_instance(SimpleNamespace(trading_calendar=calendar))
    try:
        with log.recording():
            names["_compute"](calendar.next_session(TRAINED), lambda: model.predict(synthetic))
            assert log.future == []
            names["_compute"](TRAINED, lambda: model.predict(synthetic))
    finally:
        set_algo_instance(before)
    last = calendar.previous_session(TRAINED).date()
    assert [text.partition(" was used ")[2] for text in log.future] == [f"when the last completed session was {last}"]
