package main

import "shopping-cart/platform/bench"

// targets are what the program should come to. R is pgbench writing one cart command, C5 pgbench writing a check-out in
// five transactions, both in the same run.
func (*lab) targets() []bench.Target {
	return []bench.Target{
		over("cart command, 1 caller", commandProcess, 1, commandPgbench, 1, 0.55, "R"),
		over("cart command, 8 callers", commandProcess, 8, commandPgbench, 8, 0.6, "R"),
		over("cart command, 32 callers", commandProcess, 32, commandPgbench, 32, 1.2, "R"),
		over("cart command, 128 callers", commandProcess, 128, commandPgbench, 32, 2.1, "R of 32"),
		over("one hot cart, 32 callers", commandHot, 32, commandProcess, 32, 0.9, "spread"),
		over("cart command over HTTP, 32 callers", commandHTTP, 32, commandPgbench, 32, 0.65, "R"),
		over("check-out, 32 callers", checkoutProcess, 32, checkoutPgbench, 32, 0.75, "C5"),
		over("check-out, 128 callers", checkoutProcess, 128, checkoutPgbench, 32, 1.2, "C5 of 32"),
		atMost("commands of a check-out", per(checkoutProcess, 32, func(r bench.Round) float64 { return r.Commands }), nil, 10, ""),
		atMost("transactions of a check-out, 32 callers", per(checkoutProcess, 32, func(r bench.Round) float64 { return r.Commits }), nil, 1, ""),
		atMost("p99 of a check-out, 32 callers", bench.P99(checkoutProcess, 32), new(bench.P50(checkoutProcess, 32)), 3, "p50"),
		atMost("p50 of a lone check-out", bench.P50(checkoutProcess, 1), new(bench.P50(commandPgbench, 1)), 25, "p50 of R"),
		over("read of a cart over HTTP, 32 callers", loadHTTP, 32, loadEcho, 32, 0.6, "bare Echo"),
	}
}

// over wants a rate to be at least so many times another one.
func over(what, of string, callers int, to string, toCallers int, bound float64, unit string) bench.Target {
	return bench.Target{What: what, Of: bench.Rate(of, callers), To: new(bench.Rate(to, toCallers)), Bound: bound, Unit: unit}
}

func per(name string, callers int, figure func(bench.Round) float64) bench.Point {
	return bench.Point{Name: name, Callers: callers, Figure: figure}
}

func atMost(what string, of bench.Point, to *bench.Point, bound float64, unit string) bench.Target {
	return bench.Target{What: what, Of: of, To: to, Bound: bound, AtMost: true, Unit: unit}
}

func (*lab) plots() []bench.Plot {
	return []bench.Plot{
		{Title: "Cart commands a second", Bars: []bench.Bar{
			{Label: "pgbench (R)", Name: commandPgbench, Shade: bench.Grey}, {Label: "GORM", Name: commandGORM, Shade: bench.Gold},
			{Label: "ours", Name: commandProcess, Shade: bench.Blue}, {Label: "ours, HTTP", Name: commandHTTP, Shade: bench.Sky},
		}},
		{Title: "Check-outs a second", Bars: []bench.Bar{
			{Label: "pgbench (C5)", Name: checkoutPgbench, Shade: bench.Grey},
			{Label: "ours", Name: checkoutProcess, Shade: bench.Blue}, {Label: "ours, HTTP", Name: checkoutHTTP, Shade: bench.Sky},
		}},
	}
}
