package audit

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
	"gorm.io/gorm"

	"shopping-cart/eventstore"
	"shopping-cart/platform/web"
)

// View is an entry as the API shows it.
type View struct {
	ID        uuid.UUID `json:"id" format:"uuid"`
	At        time.Time `json:"at"`
	Actor     string    `json:"actor" example:"ada"`
	Address   string    `json:"address" example:"192.0.2.7"`
	Action    string    `json:"action" enums:"changed,read,signed_in"`
	Route     string    `json:"route" example:"POST /v1/orders/:id/refunds"`
	Object    string    `json:"object" example:"019c8a52-6f2e-7c11-9d53-0c1d2e3f4a5b"`
	Reason    string    `json:"reason,omitempty"`
	RequestID string    `json:"request_id"`
}

// Routes adds the routes of operators.
func (m *Module) Routes(s *web.Server) {
	s.Scoped(web.ScopeAdmin).GET("/v1/admin/audit", m.list, web.Query("actor", "action", "object"), web.Dated, web.Paged)
	s.Scoped(web.ScopeOrdersRead, web.ScopeSagasOperate).POST("/v1/admin/sign-ins", m.signIn, web.AuditedAs(web.SignedIn))
}

// list reads the audit.
//
//	@Summary		Read the requests of operators, newest first
//	@Description	A request is recorded before it is carried out, and also if it is then refused. `action` is `changed` for a request that changes something, `read` for one that reads personal data, and `signed_in`. `object` is the id, SKU or name in the path of the request. The events of the request have its id as their correlation, if that is a UUID.
//	@ID				listAudit
//	@Tags			operators
//	@Security		BearerAuth[admin]
//	@Param			actor			query		string	false	"Only requests of this subject"
//	@Param			action			query		string	false	"Only requests of this kind"	Enums(changed,read,signed_in)
//	@Param			object			query		string	false	"Only requests about this object"
//	@Param			created_after	query		string	false	"Only after this time"	format(date-time)
//	@Param			created_before	query		string	false	"Only before this time"	format(date-time)
//	@Param			limit			query		int		false	"Maximum number"		minimum(1)	maximum(100)	default(20)
//	@Param			cursor			query		string	false	"next_cursor of the previous page"
//	@Success		200				{object}	web.Page[View]
//	@Failure		401,403			{object}	web.Problem
//	@Failure		422				{object}	web.Problem	"validation_failed"
//	@Router			/v1/admin/audit [get]
func (m *Module) list(c echo.Context) error {
	page, err := web.PageOf(c)
	if err != nil {
		return err
	}
	created, err := web.CreatedOf(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	query := narrow(m.Views.WithContext(ctx).Table("audit.streams").Where("kind = ?", entries.Kind), c, created)
	found, err := web.ListNewest("the audit", page.Newest(query, "streams"), page, func(ids []uuid.UUID) ([]View, int, error) {
		return m.views(ctx, ids)
	})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, found)
}

// narrow adds the conditions of the query's parameters.
func narrow(query *gorm.DB, c echo.Context, created web.Created) *gorm.DB {
	if actor := web.FilterOf(c, "actor"); actor != "" {
		query = query.Where("customer = ?", actor)
	}
	if action := web.FilterOf(c, "action"); action != "" {
		query = query.Where("status = ?", action)
	}
	if object := web.FilterOf(c, "object"); object != "" {
		query = query.Where(`key like ? escape '\'`, likeEscaper.Replace(keyOf(object))+"%")
	}
	bounds, moments := created.Where("created_at")
	return query.Where(bounds, moments...)
}

var likeEscaper = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// views loads entries with their reasons.
func (m *Module) views(ctx context.Context, ids []uuid.UUID) ([]View, int, error) {
	found, covered, err := entries.LoadPage(ctx, m.store, ids, web.MaxPageBytes)
	if err != nil {
		return nil, 0, err
	}
	reasons, err := m.reasons(ctx, ids)
	return web.Map(found, func(e eventstore.Stream[Recorded]) View {
		s := e.State
		return View{
			ID: s.ID, At: web.Time(e.CreatedAt), Actor: s.Actor, Address: s.Address, Action: s.Action, Route: s.Route, Object: s.Object,
			Reason: reasons[s.ID], RequestID: s.RequestID,
		}
	}), covered, err
}

func (m *Module) reasons(ctx context.Context, entries []uuid.UUID) (map[uuid.UUID]string, error) {
	var rows []struct {
		Entry uuid.UUID
		Text  string
	}
	if err := m.Views.WithContext(ctx).Table("audit.reasons").Where("entry in ?", entries).Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("read reasons: %w", err)
	}
	all := make(map[uuid.UUID]string, len(rows))
	for _, r := range rows {
		all[r.Entry] = r.Text
	}
	return all, nil
}

// signIn records that an operator signed in to the console.
//
//	@Summary		Record a sign-in
//	@Description	The console calls it when an operator signs in. It changes nothing but the audit.
//	@ID				signIn
//	@Tags			operators
//	@Security		BearerAuth[orders:read, sagas:operate]
//	@Success		204
//	@Failure		401,403	{object}	web.Problem
//	@Router			/v1/admin/sign-ins [post]
func (m *Module) signIn(c echo.Context) error {
	if _, err := web.Read[struct{}](c, web.Needs{}); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}
