"""Input that no statistic may take in silence: each is refused by name, or gives the number of clean input."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from volplugin import VolpluginError, simulated_panel
from volplugin.evaluation import (
    PortfolioForecasts,
    acerbi_szekely,
    bias_statistic,
    by_forecast_decile,
    calibration_summary,
    calibration_table,
    combine_pvalues,
    compare_portfolio_forecasts,
    component_scores,
    coverage,
    diebold_mariano,
    dynamic_quantile,
    equal_weight_portfolios,
    evaluate_covariance_forecasts,
    evaluate_volatility_forecasts,
    expected_shortfall,
    fissler_ziegel,
    fit_dof,
    forecast_table,
    horizon_scores,
    level_test,
    log_likelihood,
    mean_by_stress,
    mean_by_year,
    mincer_zarnowitz,
    model_confidence_set,
    mrad,
    mse,
    perf_scorecard,
    pooled_mincer_zarnowitz,
    portfolio_forecasts,
    portfolio_returns,
    portfolio_scorecard,
    q_statistic,
    qlike,
    realized_variance,
    rolling_bias,
    sampling_band,
    scored_samples,
    seed_spread,
    stress_within,
    tail_limits,
    value_at_risk,
    volatility_scorecard,
)

SESSIONS = pd.bdate_range("2015-01-01", periods=300)
RANDOM = np.random.default_rng(0)
R = pd.Series(0.01 * RANDOM.standard_normal(300), SESSIONS)
S = pd.Series(0.01 * (1 + 0.1 * RANDOM.random(300)), SESSIONS)
Y, F, Z, LIMIT, SHORTFALL = R**2, S**2, R / S, -1.645 * S, -2.06 * S
HIT = pd.Series(np.arange(300) % 20 == 0, SESSIONS)
LOSSES = pd.DataFrame({"a": RANDOM.random(300), "b": RANDOM.random(300)}, SESSIONS)


def table(series: pd.Series) -> pd.DataFrame:
    return pd.DataFrame({"a": series, "b": 1.1 * series})


def mixed(values):
    return values.sample(frac=1, random_state=0)


REFUSED: dict[str, Callable[[], object]] = {
    "zero forecast": lambda: mincer_zarnowitz(Y, F.where(F.index != SESSIONS[5], 0.0), 1),
    "negative forecast": lambda: mincer_zarnowitz(Y, -F, 1),
    "negative outcome": lambda: mincer_zarnowitz(-Y, F, 1),
    "no horizon": lambda: mincer_zarnowitz(Y, F, 0),
    "half a session": lambda: diebold_mariano(Y, F, 1.5),
    "text": lambda: mincer_zarnowitz(Y.astype(str), F, 1),
    "booleans": lambda: diebold_mariano(Y > 0, F > 0, 1),
    "complex": lambda: diebold_mariano(Y + 0j, F, 1),
    "missing date": lambda: diebold_mariano(Y.set_axis(SESSIONS.where(SESSIONS != SESSIONS[3])), F, 1),
    "too large": lambda: diebold_mariano(Y * 0 + 1e308, F * 0 - 1e308, 1),
    "other stocks": lambda: pooled_mincer_zarnowitz(table(Y), table(F).set_axis(["x", "y"], axis=1), 1),
    "stock twice": lambda: pooled_mincer_zarnowitz(table(Y)[["a", "a"]], table(F)[["a", "a"]], 1),
    "infinite stock": lambda: pooled_mincer_zarnowitz(table(Y) / 0, table(F), 1),
    "zones": lambda: pooled_mincer_zarnowitz(table(Y).tz_localize("UTC"), table(F), 1),
    "series for a table": lambda: pooled_mincer_zarnowitz(Y, F, 1),
    "zero ratio": lambda: level_test(Y * 0, 1),
    "negative ratio": lambda: level_test(-Y / F, 1),
    "no draws": lambda: model_confidence_set(LOSSES, 1, reps=0),
    "dict of losses": lambda: model_confidence_set({"a": Y, "b": F}, 1),
    "level as text": lambda: coverage(HIT, "0.05"),
    "two levels": lambda: coverage(HIT, [0.01, 0.05]),
    "two series": lambda: coverage(np.column_stack([HIT, HIT]), 0.05),
    "session twice": lambda: coverage(pd.concat([HIT, HIT[:1]]), 0.05),
    "no simulation": lambda: dynamic_quantile(R, LIMIT, 0.05, reps=0),
    "shortfall inside its limit": lambda: acerbi_szekely(R, LIMIT, 0.1 * SHORTFALL, 0.05),
    "positive limit": lambda: fissler_ziegel(R, -LIMIT, SHORTFALL, 0.05),
    "negative volatility": lambda: value_at_risk(R, -S, 0.01),
    "infinite volatility": lambda: tail_limits(R, S / 0, 0.01),
    "arrays without dates": lambda: value_at_risk(R.to_numpy(), S.to_numpy(), 0.01, "historical"),
    "long history": lambda: value_at_risk(R, S, 0.01, "historical", minimum=5000),
    "limit of zones": lambda: expected_shortfall(R.tz_localize("UTC"), S, 0.01),
    "table of one statistic": lambda: bias_statistic(table(Z)),
    "level as word": lambda: bias_statistic(Z, "x"),
    "infinite tails": lambda: fit_dof(Z / 0),
    "band of text": lambda: sampling_band("63"),
    "window of one": lambda: mrad(Z, 1),
    "window too long": lambda: mrad(Z, 5000),
    "other years": lambda: q_statistic(R, S.set_axis(SESSIONS + pd.DateOffset(years=20))),
    "floor of zero": lambda: qlike(0.0, 1e-4, floor=0.0),
    "word": lambda: qlike("a", 1e-4),
    "zero density": lambda: log_likelihood(Y, F * 0),
    "error of a negative": lambda: mse(Y, -F),
    "outcome of half a session": lambda: realized_variance(R, 1.5),
    "p-value above one": lambda: combine_pvalues([0.5, 1.5]),
    "negative prediction": lambda: portfolio_scorecard(S.where(S.index != SESSIONS[5], -0.01), R),
    "no dates": lambda: portfolio_scorecard(S.to_numpy(), R.to_numpy()),
    "target of zero": lambda: portfolio_scorecard(S, R, target=0),
    "target in percent": lambda: portfolio_scorecard(S, R, target=10),
    "infinite bias": lambda: rolling_bias(Z / 0, 63),
    "bias of nothing": lambda: rolling_bias(None, 63),
    "target as text": lambda: portfolio_scorecard(S, R, target="0.1"),
    "perf without a column": lambda: perf_scorecard(pd.DataFrame({"returns": R})),
    "negative forecast of a horizon": lambda: horizon_scores(-S, R, 5),
    "no models": lambda: compare_portfolio_forecasts({}),
    "two horizons": lambda: compare_portfolio_forecasts(
        {"a": PortfolioForecasts(S, R, 5), "b": PortfolioForecasts(S, R, 21)}
    ),
    "different portfolios": lambda: compare_portfolio_forecasts(
        {"a": PortfolioForecasts(S, R, 5), "b": PortfolioForecasts(S, R[::-1].set_axis(SESSIONS), 5)}
    ),
    "no mapping of portfolios": lambda: compare_portfolio_forecasts([PortfolioForecasts(S, R, 5)]),
    "portfolios of another type": lambda: compare_portfolio_forecasts({"a": S}),
    "no forecasts": lambda: scored_samples(None, None),
    "no panel": lambda: volatility_scorecard(table(S), None),
    "no table": lambda: evaluate_volatility_forecasts(None, None),
    "no models to forecast": lambda: forecast_table(None, None, "2015-01-01", "2015-06-01"),
    "no risk model": lambda: portfolio_forecasts(None, simulated_panel(2, "2015-01-02", "2016-12-30")),
    "no paths": lambda: evaluate_covariance_forecasts(None, None),
    "volatility without dates": lambda: calibration_table(S, R, 1),
    "nothing to summarise": lambda: calibration_summary(None),
    "no sample": lambda: by_forecast_decile(None),
    "no components": lambda: component_scores(None, {}, {}, None),
    "no seeds": lambda: seed_spread(None),
    "no equal weights": lambda: equal_weight_portfolios(None, [], None),
    "no losses by year": lambda: mean_by_year(None),
    "no losses by period": lambda: mean_by_stress(None),
    "no sessions": lambda: stress_within(None),
    "returns of nothing": lambda: tail_limits(None, S, 0.05),
    "weights of no session": lambda: portfolio_returns(table(R), table(S).set_axis(SESSIONS + pd.Timedelta("12h"))),
    "infinite weights": lambda: portfolio_returns(table(R), table(S) / 0),
}


@pytest.mark.parametrize("made", REFUSED.values(), ids=REFUSED)
def test_nonsense_is_refused_by_name(made):
    with pytest.raises(VolpluginError) as found:
        made()
    assert "\n" not in str(found.value)


SAME: dict[str, Callable[[Callable], object]] = {
    "Mincer-Zarnowitz": lambda order: mincer_zarnowitz(order(Y), order(F), 5),
    "pooled": lambda order: pooled_mincer_zarnowitz(order(table(Y)), table(F)[["b", "a"]], 5),
    "level": lambda order: level_test(order(Y / F), 5),
    "Diebold-Mariano": lambda order: diebold_mariano(order(LOSSES["a"]), order(LOSSES["b"]), 5),
    "confidence set": lambda order: model_confidence_set(order(LOSSES), 5).to_dict(),
    "coverage": lambda order: coverage(order(HIT), 0.05),
    "dynamic quantile": lambda order: dynamic_quantile(order(R), order(LIMIT), 0.05),
    "historical limit": lambda order: (
        value_at_risk(order(R), order(S), 0.05, "historical").sort_index().to_list()[260:]
    ),
    "outcome": lambda order: realized_variance(order(R), 5).sort_index().to_list()[:290],
    "MRAD": lambda order: mrad(order(Z)),
    "portfolio": lambda order: horizon_scores(order(S), order(R), 5),
}


@pytest.mark.parametrize("made", SAME.values(), ids=SAME)
def test_sessions_in_another_order_give_the_same_number(made):
    assert made(mixed) == made(lambda values: values)


def test_forecasts_that_differ_by_rounding_are_constant_to_a_regression():
    found = mincer_zarnowitz(9 * Y, 1e-4 * (1 + 1e-8 * pd.Series(RANDOM.random(300), SESSIONS)), 1)
    assert found.rank == 1
    assert np.isnan(found.slope)
    assert found.pvalue < 0.01


def test_tails_do_not_depend_on_the_unit():
    assert fit_dof(Z * 1e200) == pytest.approx(fit_dof(Z)) == pytest.approx(fit_dof(Z * 1e-200))


def test_a_band_near_two_degrees_of_freedom_is_no_point():
    lower, upper = sampling_band(63, dof=2.0001)
    assert lower < upper
