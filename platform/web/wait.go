package web

import (
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
)

// MaxWait limits Prefer: wait=N.
const MaxWait = 30 * time.Second

// Wait returns how long the client prefers to wait for the answer (Prefer: wait=N, RFC 7240), at most MaxWait and zero by default. It
// sets Preference-Applied.
func Wait(c echo.Context) time.Duration {
	wait := preferred(c)
	if wait > 0 {
		c.Response().Header().Set("Preference-Applied", "wait="+strconv.Itoa(int(wait/time.Second)))
	}
	return wait
}

func preferred(c echo.Context) time.Duration {
	preferences := c.Request().Header.Values("Prefer")
	if len(preferences) == 0 {
		return 0
	}
	for preference := range strings.SplitSeq(strings.Join(preferences, ","), ",") {
		preference, _, _ = strings.Cut(preference, ";")
		name, value, _ := strings.Cut(preference, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "wait") {
			continue
		}
		n, err := strconv.ParseUint(strings.Trim(strings.TrimSpace(value), `"`), 10, 31)
		if err != nil {
			return 0 // RFC 7240 ignores an invalid preference
		}
		return min(time.Duration(n)*time.Second, MaxWait)
	}
	return 0
}
