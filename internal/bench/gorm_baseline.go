package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/logger"
)

// Naive is a conventional cart command: GORM, one transaction per command, one statement per row. It works on the carts of
// sql/setup.sql.
type Naive struct {
	db    *gorm.DB
	carts int
}

// The rows in GORM's form.
type (
	naiveStream struct {
		ID        uuid.UUID `gorm:"primaryKey"`
		Version   int64
		Kind      string
		Fold      int16
		State     string
		Customer  *string
		Status    *string
		Key       *string
		WakeAt    *time.Time
		CreatedAt time.Time
		UpdatedAt time.Time
	}
	naiveEvent struct {
		Position int64 `gorm:"primaryKey;autoIncrement"`
		Stream   uuid.UUID
		Version  int64
		Type     string
		Data     string
		Meta     string
		At       time.Time
	}
	naiveReceipt struct {
		ID          uuid.UUID `gorm:"primaryKey"`
		Fingerprint []byte
		Stream      uuid.UUID
		Version     int64
		Status      int16
		At          time.Time
	}
)

func (naiveStream) TableName() string  { return "cart.streams" }
func (naiveEvent) TableName() string   { return "cart.events" }
func (naiveReceipt) TableName() string { return "cart.receipts" }

// OpenNaive connects to a database that was filled with sql/setup.sql.
func OpenNaive(url string, connections, carts int) (*Naive, error) {
	db, err := gorm.Open(postgres.Open(url), &gorm.Config{Logger: logger.Default.LogMode(logger.Silent), SkipDefaultTransaction: true})
	if err != nil {
		return nil, fmt.Errorf("open GORM: %w", err)
	}
	pool, err := db.DB()
	if err != nil {
		return nil, err
	}
	pool.SetMaxOpenConns(connections)
	pool.SetMaxIdleConns(connections)
	return &Naive{db, carts}, nil
}

func (n *Naive) Close() {
	if pool, err := n.db.DB(); err == nil {
		_ = pool.Close()
	}
}

func (n *Naive) Run(ctx context.Context, callers int, d time.Duration) (Sample, error) {
	s, err := Drive(ctx, callers, d, func(ctx context.Context, turn int64) error { return n.setQuantity(ctx, 1+turn%9999) })
	s.Commands, s.Appends = int64(s.Units), int64(s.Units)
	return s, err
}

// naiveCart is the part of a cart's state that the command needs.
type naiveCart struct {
	CustomerID string      `json:"customer_id"`
	Currency   string      `json:"currency"`
	Status     string      `json:"status"`
	Lines      []naiveLine `json:"lines"`
	Attempt    int         `json:"attempt"`
	CheckoutID uuid.UUID   `json:"checkout_id"`
	MergedInto uuid.UUID   `json:"merged_into"`
}

type naiveLine struct {
	SKU       string `json:"sku"`
	Name      string `json:"name"`
	Quantity  int64  `json:"quantity"`
	UnitPrice int64  `json:"unit_price"`
}

func (n *Naive) setQuantity(ctx context.Context, quantity int64) error {
	return n.db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		var row naiveStream
		id := gorm.Expr("md5('cart' || ?::int)::uuid", rand.IntN(n.carts)+1)
		if err := tx.Clauses(clause.Locking{Strength: "UPDATE"}).First(&row, "id = ?", id).Error; err != nil {
			return err
		}
		var cart naiveCart
		if err := json.Unmarshal([]byte(row.State), &cart); err != nil {
			return err
		}
		cart.Lines[0].Quantity = quantity
		data, _ := json.Marshal(map[string]any{"sku": cart.Lines[0].SKU, "quantity": quantity})
		meta, _ := json.Marshal(map[string]any{
			"event_id": uuid.New(), "correlation": uuid.New(), "causation": uuid.New(), "actor": cart.CustomerID,
		})
		state, _ := json.Marshal(cart)
		row.State, row.Version, row.UpdatedAt = string(state), row.Version+1, time.Now()
		event := naiveEvent{Stream: row.ID, Version: row.Version, Type: "cart.quantity_changed", Data: string(data), Meta: string(meta), At: row.UpdatedAt}
		if err := tx.Create(&event).Error; err != nil {
			return err
		}
		if err := tx.Save(&row).Error; err != nil {
			return err
		}
		return tx.Create(&naiveReceipt{ID: uuid.New(), Fingerprint: fingerprint, Stream: row.ID, Version: row.Version, At: row.UpdatedAt}).Error
	})
}

// fingerprint has the length of a request's fingerprint.
var fingerprint = make([]byte, 16)
