package order

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"shopping-cart/platform/web"
)

const (
	salesDays    = 31  // default range
	salesMaxDays = 366 // largest range
)

// firstDay is the earliest valid day: PostgreSQL has no year 0.
var firstDay = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)

// showSales answers with the sales of each day.
//
//	@Summary		List sales per day and currency, newest first
//	@Description	Leaves out days without sales.
//	@ID				listSales
//	@Tags			operators
//	@Security		BearerAuth[orders:read]
//	@Param			from		query		string	false	"First day (UTC); by default 30 days before the last"	format(date)
//	@Param			to			query		string	false	"Last day (UTC); today by default"						format(date)
//	@Success		200			{object}	web.Page[SalesOfDay]
//	@Failure		403	{object}	web.Problem
//	@Router			/v1/admin/sales [get]
func (m *Module) showSales(c echo.Context) error {
	last, err := dayOf(c, "to", time.Now().UTC())
	if err != nil {
		return err
	}
	otherwise := last.AddDate(0, 0, 1-salesDays)
	if otherwise.Before(firstDay) {
		otherwise = firstDay
	}
	first, err := dayOf(c, "from", otherwise)
	if err != nil {
		return err
	}
	if last.Before(first) {
		return web.Refused("to", "range", "It must not be before the first day.")
	}
	if !last.Before(first.AddDate(0, 0, salesMaxDays)) {
		return web.Refused("from", "range", "It must be at most 366 days up to the last day.")
	}
	days, err := m.sales(c.Request().Context(), first, last)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, web.Page[SalesOfDay]{Data: days})
}

// dayOf reads a date from the query.
func dayOf(c echo.Context, name string, otherwise time.Time) (time.Time, error) {
	s := c.QueryParam(name)
	if s == "" {
		return otherwise, nil
	}
	day, err := time.Parse(time.DateOnly, s)
	if err != nil || day.Before(firstDay) {
		return day, web.Refused(name, "date", "It must be a day such as 2026-01-31.")
	}
	return day, nil
}
