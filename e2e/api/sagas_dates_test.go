package api

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
	"shopping-cart/saga"
)

func TestSagasByTime(t *testing.T) {
	t.Parallel()
	s := harness.Open(t, harness.OneDatabase)
	var ids []uuid.UUID
	var at []string
	var number string
	for range 3 {
		c, _ := buys(t, s.Shopper(t), 500, "sim_ok")
		ids = append(ids, c.ID)
		at = append(at, url.QueryEscape(c.CreatedAt.Format(time.RFC3339Nano)))
		number = s.Order(t, c.OrderID).Number
	}
	listed := func(query string) (found []uuid.UUID) {
		for _, v := range harness.Get[harness.List[saga.View]](t, s, "/v1/admin/sagas?"+query, s.Admin).Data {
			found = append(found, v.ID)
		}
		return found
	}
	require.Equal(t, []uuid.UUID{ids[2], ids[1]}, listed("created_after="+at[0]))
	require.Equal(t, []uuid.UUID{ids[1]}, listed("created_after="+at[0]+"&created_before="+at[2]))
	require.Equal(t, []uuid.UUID{ids[0]}, listed("type=checkout&created_before="+at[1]))
	require.Equal(t, []uuid.UUID{ids[2]}, listed("number="+number+"&created_after="+at[1]))
	require.Empty(t, listed("number="+number+"&created_before="+at[2]))
	p := harness.RequireProblem(t, s.Send(t, http.MethodGet, "/v1/admin/sagas?created_after=today", s.Admin, nil), http.StatusUnprocessableEntity, "validation_failed")
	require.Equal(t, "created_after", p.Errors[0].Field)
}
