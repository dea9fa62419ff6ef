package web

import (
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
)

// MaxWait is the longest that Prefer: wait=N may hold an answer.
const MaxWait = 30 * time.Second

// Wait is how long the client would like the answer to be held (Prefer: wait=N, RFC 7240), at most MaxWait; zero
// when it does not ask. It tells the client that the preference was heard.
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
	for _, preference := range strings.Split(strings.Join(preferences, ","), ",") {
		preference, _, _ = strings.Cut(preference, ";")
		name, value, _ := strings.Cut(preference, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "wait") {
			continue
		}
		n, err := strconv.ParseUint(strings.Trim(strings.TrimSpace(value), `"`), 10, 31)
		if err != nil {
			return 0 // a preference that cannot be read is ignored (RFC 7240)
		}
		return min(time.Duration(n)*time.Second, MaxWait)
	}
	return 0
}
