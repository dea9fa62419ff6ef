package bench

// targets returns the goals of the program. R is pgbench with one cart command, C5 pgbench with a checkout in five transactions,
// both in the same run.
func (*suite) targets() []Target {
	return []Target{
		atLeast("cart command, 1 caller", CommandProcess, 1, CommandPgbench, 1, 0.6, "R"),
		atLeast("cart command, 8 callers", CommandProcess, 8, CommandPgbench, 8, 0.6, "R"),
		atLeast("cart command, 32 callers", CommandProcess, 32, CommandPgbench, 32, 1.2, "R"),
		atLeast("cart command, 128 callers", CommandProcess, 128, CommandPgbench, 32, 2.1, "R of 32"),
		atLeast("one hot cart, 32 callers", CommandHot, 32, CommandProcess, 32, 0.9, "spread"),
		atLeast("cart command over HTTP, 32 callers", CommandHTTP, 32, CommandPgbench, 32, 0.8, "R"),
		atLeast("checkout, 32 callers", CheckoutProcess, 32, CheckoutPgbench, 32, 1.2, "C5"),
		atLeast("checkout, 128 callers", CheckoutProcess, 128, CheckoutPgbench, 32, 1.9, "C5 of 32"),
		atMost("transactions of a lone checkout", Point{CheckoutProcess, 1, func(r Round) float64 { return r.Commits }}, nil, 3.5, ""), // projections and seals write too
		atMost("p50 of a lone checkout", P50(CheckoutProcess, 1), new(P50(CommandPgbench, 1)), 12, "p50 of R"),
		atMost("processor time of a lone checkout, µs", Point{CheckoutProcess, 1, Round.cpu}, nil, 3000, ""),
		atMost("processor time of a checkout, 32 callers, µs", Point{CheckoutProcess, 32, Round.cpu}, nil, 1150, ""),
		atMost("WAL of a checkout, 32 callers, bytes", Point{CheckoutProcess, 32, func(r Round) float64 { return r.WAL }}, nil, 15_000, ""),
		atMost("p99 of a checkout, 32 callers", P99(CheckoutProcess, 32), new(P50(CheckoutProcess, 32)), 3, "p50"),
		atLeast("read of a cart over HTTP, 32 callers", LoadHTTP, 32, LoadEcho, 32, 0.8, "bare Echo"),
	}
}

// cpu returns the processor time of the server and of the program, in microseconds.
func (r Round) cpu() float64 { return r.PostgresCPU + r.ProgramCPU }

// atLeast requires a rate to be at least bound times another one.
func atLeast(what, of string, callers int, to string, toCallers int, bound float64, unit string) Target {
	return Target{What: what, Of: Rate(of, callers), To: new(Rate(to, toCallers)), Bound: bound, Unit: unit}
}

func atMost(what string, of Point, to *Point, bound float64, unit string) Target {
	return Target{What: what, Of: of, To: to, Bound: bound, AtMost: true, Unit: unit}
}

func (*suite) plots() []Plot {
	return []Plot{
		{Title: "Cart commands a second", Bars: []Bar{
			{Label: "pgbench (R)", Name: CommandPgbench, Color: "grey"}, {Label: "GORM", Name: CommandGORM, Color: "gold"},
			{Label: "ours", Name: CommandProcess, Color: "blue"}, {Label: "ours, HTTP", Name: CommandHTTP, Color: "sky"},
		}},
		{Title: "Checkouts a second", Bars: []Bar{
			{Label: "pgbench (C5)", Name: CheckoutPgbench, Color: "grey"},
			{Label: "ours", Name: CheckoutProcess, Color: "blue"}, {Label: "ours, HTTP", Name: CheckoutHTTP, Color: "sky"},
		}},
	}
}
