"""From a table to a forecast: windows, categories, times and covariates are seen to inside."""

from sklstm.forecasting._forecaster import WindowForecaster

__all__ = ["WindowForecaster"]
