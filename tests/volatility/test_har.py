import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from synthetic import ASOF, ASSETS, SESSIONS, TRAINED

from volplugin import HARVolatility, PricePanel
from volplugin.errors import InsufficientHistoryError, NotFittedError, ParameterError
from volplugin.volatility import (
    FITTED_HORIZONS,
    build_features,
    close_to_close_ratio,
    forecast_ratio,
    forward_variance,
    out_of_sample_ratio,
    regress_logs,
)
from volplugin.volatility.har import TERMS


@pytest.fixture(scope="module")
def training(synthetic) -> PricePanel:
    return synthetic.asof(TRAINED)


def table(panel: PricePanel, terms: str, asset: str | None = None) -> list[pd.DataFrame]:
    """Rows of regressors and log target for each knot, stacked over assets: what statsmodels is given."""
    inputs = build_features(panel, panel)
    target = forward_variance(panel, FITTED_HORIZONS, close_to_close_ratio(panel)) / inputs.base[..., None]
    chosen = [asset] if asset else list(panel.assets)
    columns = [list(panel.assets).index(name) for name in chosen]
    stacked = []
    for knot in range(len(FITTED_HORIZONS)):
        x = inputs.take(TERMS[terms])[:, columns].reshape(-1, len(TERMS[terms]))
        y = np.log(target[:, columns, knot]).reshape(-1)
        stacked.append(pd.DataFrame(x, columns=list(TERMS[terms])).assign(y=y).dropna())
    return stacked


@pytest.mark.parametrize("terms", TERMS)
def test_pooled_coefficients_are_those_of_statsmodels(terms, training):
    model = HARVolatility(terms).fit(training)
    for knot, rows in enumerate(table(training, terms)):
        fit = sm.OLS(rows["y"], sm.add_constant(rows[list(TERMS[terms])])).fit()
        np.testing.assert_allclose(model.pooled_[:-1, knot], fit.params, rtol=1e-7, atol=1e-9)
        factor = np.mean(np.exp(rows["y"] - fit.fittedvalues))
        assert model.pooled_[-1, knot] == pytest.approx(factor, rel=1e-9)


@pytest.mark.parametrize("asset", ["ALFA", "DELT"])
def test_an_assets_own_coefficients_are_those_of_statsmodels(asset, training):
    model = HARVolatility("market", pooled=False).fit(training)
    for knot, rows in enumerate(table(training, "market", asset)):
        fit = sm.OLS(rows["y"], sm.add_constant(rows[list(TERMS["market"])])).fit()
        np.testing.assert_allclose(model.own_[asset][:-1, knot], fit.params, rtol=1e-6, atol=1e-8)


def test_the_forecast_by_hand(synthetic, training):
    """exp(a + b'x) times the rescale and the slow level, its root at the horizons of the knots."""
    model = HARVolatility().fit(training)
    known = synthetic.asof(ASOF).tail(model.lookback)
    inputs = build_features(known, known)
    x, base = inputs.take(TERMS["har"])[-1], inputs.base[-1]
    for knot, horizon in enumerate(FITTED_HORIZONS):
        constant, *slopes, factor = model.pooled_[:, knot]
        variance = np.exp(constant + x @ np.array(slopes)) * factor * model.missing_[knot] * base
        np.testing.assert_allclose(model.predict(known, horizon), np.sqrt(variance), rtol=1e-12)


def test_persistent_variance_is_found_persistent(training):
    """The synthetic market's variance moves slowly: all three slopes push the same way, and add to less than one."""
    slopes = HARVolatility().fit(training).pooled_[1:-1]
    assert (slopes.sum(axis=0) > 0.3).all()
    assert (slopes.sum(axis=0) < 1).all()


def test_an_asset_not_seen_in_training_is_served(synthetic):
    few = PricePanel(**{f: getattr(synthetic, f)[ASSETS[:6]] for f in ("open", "high", "low", "close", "volume")})
    for pooled in (True, False):
        model = HARVolatility(pooled=pooled).fit(few.asof(TRAINED))
        forecast = model.predict(synthetic.asof(ASOF))
        assert forecast.notna().all()
        assert 0.5 < forecast["HOTE"] / synthetic.returns["HOTE"].std() < 2


def test_an_asset_with_too_short_a_history_gets_the_pooled_coefficients(synthetic):
    known = synthetic.asof(SESSIONS[500])
    model = HARVolatility(pooled=False).fit(known)
    assert "DELT" not in model.own_
    assert "ALFA" in model.own_
    pooled = HARVolatility().fit(known)
    assert model.predict(known)["DELT"] == pytest.approx(pooled.predict(known)["DELT"], rel=1e-9)


def test_labels_that_are_no_text_survive_a_store(synthetic):
    numbered = PricePanel(close=synthetic.close.set_axis(range(8), axis=1))
    model = HARVolatility(pooled=False).fit(numbered.asof(TRAINED))
    fresh = HARVolatility(pooled=False).restore(model.get_state(), TRAINED, model.assets_, model.universe_)
    known = numbered.asof(ASOF)
    pd.testing.assert_series_equal(fresh.predict(known), model.predict(known), check_exact=True)


def test_too_short_to_regress(synthetic):
    with pytest.raises(InsufficientHistoryError, match="too few sessions to regress on"):
        HARVolatility().fit(synthetic.select(["ALFA"]).asof(SESSIONS[100]))


def test_unknown_terms(training):
    with pytest.raises(ParameterError, match="terms is 'arch'; pass one of har, market, lstm"):
        HARVolatility("arch").fit(training)


def test_unfitted(training):
    with pytest.raises(NotFittedError, match=r"HARVolatility is not fitted; call fit\(panel.asof\(date\)\) first"):
        HARVolatility().predict(training)


def test_real_prices(real):
    """Out of sample over the crisis: better than the average of the past, nearly unbiased in the root of variance."""
    model = HARVolatility().fit(real.asof("2007-06-29"))
    path = model.predict_path(real, "2007-07-02", "2011-11-30")
    realized = np.sqrt(forward_variance(real, (21,), 1.0)[..., 0])
    realized = pd.DataFrame(realized, real.sessions, real.assets).loc[path.index]
    both = path.notna() & realized.notna()
    assert np.corrcoef(path[both].stack(), realized[both].stack())[0, 1] > 0.65


# -- the regression itself -------------------------------------------------------------------------


def test_a_relation_without_noise_is_found_exactly():
    x = np.random.default_rng(0).standard_normal((100, 3, 2))
    y = np.exp(0.3 + x @ np.array([[0.5, 1.0], [-0.2, 0.0]]))
    fit = regress_logs(x, y)
    np.testing.assert_allclose(fit, [[0.3, 0.3], [0.5, 1.0], [-0.2, 0.0], [1.0, 1.0]], atol=1e-10)
    np.testing.assert_allclose(forecast_ratio(fit, x), y, rtol=1e-9)


def test_rows_with_a_gap_are_left_out():
    random = np.random.default_rng(0)
    x = random.standard_normal((200, 2, 2))
    y = np.exp(random.standard_normal((200, 2, 1)))
    x[:20, 1, 0] = y[180:, 0, 0] = np.nan
    usable = np.isfinite(x).all(axis=-1) & np.isfinite(y[..., 0])
    fit = sm.OLS(np.log(y[usable][:, 0]), sm.add_constant(x[usable])).fit()
    np.testing.assert_allclose(regress_logs(x, y)[:-1, 0], fit.params, rtol=1e-9)


def test_too_few_rows_are_none():
    random = np.random.default_rng(0)
    assert regress_logs(random.standard_normal((119, 1, 1)), np.ones((119, 1, 1))) is None
    assert regress_logs(random.standard_normal((120, 1, 1)), np.ones((120, 1, 1))) is not None


# -- the rescale that walks out of sample ----------------------------------------------------------


def test_the_out_of_sample_ratio_by_hand():
    """Refitted at rows 1260, 1512 and 1764 on targets known by then, judged on the rows after."""
    random, horizons = np.random.default_rng(8), (1, 5)
    x = random.standard_normal((1900, 2, 1))
    y = np.exp(x * 0.3 + 0.5 * random.standard_normal((1900, 2, 2)))
    quotients = []
    for cut in (1260, 1512, 1764):
        row = []
        for knot, horizon in enumerate(horizons):
            seen = slice(0, cut - horizon)
            design = sm.add_constant(x[seen].reshape(-1, 1))
            fit = sm.OLS(np.log(y[seen, :, knot]).reshape(-1), design).fit()
            factor = np.mean(np.exp(fit.resid))
            ahead = x[cut : cut + 252]
            row.append(y[cut : cut + 252, :, knot] / (np.exp(fit.params[0] + fit.params[1] * ahead[..., 0]) * factor))
        quotients.append(np.stack(row, axis=-1).reshape(-1, 2))
    expected = np.concatenate(quotients).mean(axis=0)
    np.testing.assert_allclose(out_of_sample_ratio(x, y, ("variance_1",), horizons), expected, rtol=1e-9)


def test_a_short_history_is_not_rescaled_out_of_sample():
    x = np.random.default_rng(0).standard_normal((1700, 1, 1))
    np.testing.assert_array_equal(out_of_sample_ratio(x, np.exp(x), ("variance_1",), (1,)), [1.0])
    assert out_of_sample_ratio(np.full_like(x, np.nan), np.exp(x), ("variance_1",), (1,)) == 1
