package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Rate is so many requests a second on average, and so many at once. The zero Rate is no limit.
type Rate struct {
	PerSecond float64
	Burst     int
}

// Rates are the limits of a class of requests, for each subject and for each address.
type Rates struct{ Subject, Address Rate }

// LIMITS takes these values.
const (
	limitsAuto = "auto" // by the database
	limitsOn   = "true"
	limitsOff  = "false"
)

// class is a class of requests: its setting, its limits in a shop and its limits while no database is named. The latter are out of reach for a developer,
// the demo and the sample of the replay.
type class struct{ name, setting, value, shop, embedded string }

func (c Config) classes() []class {
	return []class{
		{"sessions", "LIMIT_SESSIONS", c.LimitSessions, "10/s 100", "200/s 2000"},
		{"reads", "LIMIT_READS", c.LimitReads, "30/s 100, 300/s 1000", "1000/s 5000"},
		{"searches", "LIMIT_SEARCHES", c.LimitSearches, "5/s 20, 50/s 200", "100/s 500"},
		{"edits", "LIMIT_EDITS", c.LimitEdits, "10/s 50, 100/s 500", "500/s 5000"},
		{"checkouts", "LIMIT_CHECKOUTS", c.LimitCheckouts, "1/s 10, 10/s 100", "200/s 1000"},
		{"webhooks", "LIMIT_WEBHOOKS", c.LimitWebhooks, "100/s 1000", "1000/s 5000"},
		{"bad_tokens", "LIMIT_BAD_TOKENS", c.LimitBadTokens, "5/s 50", "50/s 500"},
		{"metrics", "LIMIT_METRICS", c.LimitMetrics, "5/s 50", "100/s 500"},
		{"operators", "LIMIT_OPERATORS", c.LimitOperators, "200/s 1000", "2000/s 10000"},
	}
}

// Rates returns the limits of each class of requests by its name, for one of LIMIT_REPLICAS replicas. Without limits it returns nil.
func (c Config) Rates() (map[string]Rates, error) {
	if !c.Limited() {
		return nil, nil
	}
	all := map[string]Rates{}
	for _, one := range c.classes() {
		text := one.shop
		switch {
		case one.value != "":
			text = one.value
		case c.Limits == limitsAuto && !c.external():
			text = one.embedded
		}
		rates, err := parseRates(text)
		if err != nil {
			return nil, fmt.Errorf("%s %w", one.setting, err)
		}
		all[one.name] = rates.among(c.LimitReplicas)
	}
	return all, nil
}

// stripeRate is what Stripe allows for each of its endpoints.
const stripeRate = "25/s 25"

// ProviderRate returns the limit of the calls of each operation to the payment provider, for one of LIMIT_REPLICAS replicas. Stripe has one by
// default.
func (c Config) ProviderRate() (Rate, error) {
	text := c.PaymentRate
	if text == "" && c.PaymentProvider == Stripe {
		text = stripeRate
	}
	if text == "" || text == "none" {
		return Rate{}, nil
	}
	rate, err := parseRate(text)
	if err != nil {
		return Rate{}, errors.New(`PAYMENT_RATE must be a rate and a burst, such as "25/s 25"; or none`)
	}
	return rate.among(c.LimitReplicas), nil
}

// Limited reports whether LIMITS asks for limits. A Config that Load did not make asks for none.
func (c Config) Limited() bool { return c.Limits == limitsAuto || c.Limits == limitsOn }

// among returns the share of one of so many replicas.
func (r Rates) among(replicas int) Rates {
	return Rates{r.Subject.among(replicas), r.Address.among(replicas)}
}

func (r Rate) among(replicas int) Rate {
	if r == (Rate{}) || replicas <= 1 {
		return r
	}
	return Rate{r.PerSecond / float64(replicas), max(1, r.Burst/replicas)}
}

var errRates = errors.New(`must be a rate and a burst for each subject, and optionally others for each address, such as "10/s 50" or "30/m 5, 300/m 50"; or none`)

// parseRates parses the limits of a class. One limit is for each subject and for each address.
func parseRates(text string) (Rates, error) {
	if text == "none" {
		return Rates{}, nil
	}
	first, second, two := strings.Cut(text, ",")
	subject, err := parseRate(first)
	if err != nil || !two {
		return Rates{subject, subject}, err
	}
	address, err := parseRate(second)
	return Rates{subject, address}, err
}

var perUnit = map[string]float64{"s": 1, "m": 60, "h": 3600}

// parseRate parses a limit such as "10/s 50": so many requests a second, minute or hour on average, and so many at once.
func parseRate(text string) (Rate, error) {
	fields := strings.Fields(text)
	if len(fields) != 2 {
		return Rate{}, errRates
	}
	number, unit, _ := strings.Cut(fields[0], "/")
	n, err := strconv.ParseFloat(number, 64)
	burst, burstErr := strconv.Atoi(fields[1])
	seconds := perUnit[unit]
	if err != nil || burstErr != nil || seconds == 0 || !(n > 0 && n <= mostPerUnit) || burst < 1 {
		return Rate{}, errRates
	}
	return Rate{n / seconds, burst}, nil
}

const mostPerUnit = 1e9

func (c Config) checkLimits(wrong *findings) {
	wrong.oneOf("LIMITS", c.Limits, limitsAuto, limitsOn, limitsOff)
	for _, one := range c.classes() {
		if _, err := parseRates(one.value); one.value != "" && err != nil {
			wrong.add(one.setting, err.Error())
		}
	}
	if _, err := c.ProviderRate(); err != nil {
		*wrong = append(*wrong, err)
	}
	wrong.between("LIMIT_REPLICAS", c.LimitReplicas, 1, 1000)
	const most = 1 << 20
	wrong.between("MAX_CONNECTIONS", c.MaxConnections, 0, most)
	wrong.between("MAX_CONNECTIONS_PER_ADDRESS", c.MaxConnectionsPerAddress, 0, most)
	wrong.between("MAX_STREAMS", c.MaxStreams, 0, most)
	wrong.between("MAX_STREAMS_PER_ADDRESS", c.MaxStreamsPerAddress, 1, most)
	wrong.between("MAX_STREAMS_PER_SUBJECT", c.MaxStreamsPerSubject, 1, most)
	wrong.between("MAX_STREAMS_PER_CHECKOUT", c.MaxStreamsPerCheckout, 1, most)
}
