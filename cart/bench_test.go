package cart

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"shopping-cart/eventstore"
	"shopping-cart/platform/database"
	"shopping-cart/platform/pgtest"
	"shopping-cart/platform/web"
)
