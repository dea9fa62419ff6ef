package database

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"shopping-cart/platform/pgerr"
)

// TryWrite writes one row of a schema on the pool of command batches, and returns after the commit. Unlike a read it proves that
// the server is no standby, has room on its disk, and has a connection for writes.
func (p *Pools) TryWrite(ctx context.Context, schema string) error {
	_, err := p.Write.Exec(ctx, `insert into `+pgx.Identifier{schema, "readiness"}.Sanitize()+` (one, at) values (true, clock_timestamp())
		on conflict (one) do update set at = excluded.at`)
	if err != nil {
		return fmt.Errorf("try a write in schema %s: %w", schema, err)
	}
	return nil
}

// WriteReason returns a short reason why a database refuses a write. It contains no internals, since anyone may read it.
func WriteReason(err error) string {
	switch code := pgerr.Code(err); {
	case code != "":
		return reasonOf(code)
	case errors.Is(err, context.DeadlineExceeded), pgconn.Timeout(err):
		return "it does not answer in time"
	case pgerr.Transient(err):
		return "it is not reachable"
	}
	return "it refuses writes"
}

func reasonOf(code string) string {
	switch code {
	case pgerr.ReadOnly:
		return "it only takes reads"
	case pgerr.DiskFull:
		return "its disk is full"
	case pgerr.TooManyConnections:
		return "it has no free connection for this program"
	case pgerr.QueryCanceled:
		return "it does not answer in time"
	case pgerr.LockNotAvailable:
		return "another session holds a lock"
	case pgerr.InsufficientPrivilege:
		return "the role may not write to it"
	case pgerr.UnknownDatabase:
		return "the database does not exist"
	case pgerr.UndefinedTable, pgerr.UnknownSchema:
		return "its tables are missing"
	}
	for class, reason := range map[string]string{
		"28": "it refuses the role or its password", "53": "it is short of resources", "57": "it is stopping or starting", "08": "it is not reachable",
	} {
		if strings.HasPrefix(code, class) {
			return reason
		}
	}
	return "it refuses writes"
}
