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

// GORMBaseline is a conventional cart command: GORM, one transaction per command, one statement per row. It works on the carts of
// sql/setup.sql.
type GORMBaseline struct {
	db    *gorm.DB
	carts int
}

// The rows in GORM's form.
type (
	gormStream struct {
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
	gormEvent struct {
		Position int64 `gorm:"primaryKey;autoIncrement"`
		Stream   uuid.UUID
		Version  int64
		Type     string
		Data     string
		Meta     string
		At       time.Time
	}
	gormReceipt struct {
		ID          uuid.UUID `gorm:"primaryKey"`
		Fingerprint []byte
		Stream      uuid.UUID
		Version     int64
		Status      int16
		At          time.Time
	}
)

func (gormStream) TableName() string  { return "cart.streams" }
func (gormEvent) TableName() string   { return "cart.events" }
func (gormReceipt) TableName() string { return "cart.receipts" }

// OpenGORM connects to a database that was filled with sql/setup.sql.
func OpenGORM(url string, connections, carts int) (*GORMBaseline, error) {
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
	return &GORMBaseline{db, carts}, nil
}

func (b *GORMBaseline) Close() {
	if pool, err := b.db.DB(); err == nil {
		_ = pool.Close()
	}
}

func (b *GORMBaseline) Run(ctx context.Context, callers int, d time.Duration) (Sample, error) {
	s, err := Drive(ctx, callers, d, func(ctx context.Context, turn int64) error { return b.setQuantity(ctx, 1+turn%9999) })
	s.Commands, s.Appends = int64(s.Units), int64(s.Units)
	return s, err
}

// gormCart is the part of a cart's state that the command needs.
type gormCart struct {
	CustomerID string     `json:"customer_id"`
	Currency   string     `json:"currency"`
	Status     string     `json:"status"`
	Lines      []gormLine `json:"lines"`
	Attempt    int        `json:"attempt"`
	CheckoutID uuid.UUID  `json:"checkout_id"`
	MergedInto uuid.UUID  `json:"merged_into"`
}

type gormLine struct {
	SKU       string `json:"sku"`
	Name      string `json:"name"`
	Quantity  int64  `json:"quantity"`
	UnitPrice int64  `json:"unit_price"`
}

func (b *GORMBaseline) setQuantity(ctx context.Context, quantity int64) error {
	return b.db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		var row gormStream
		id := gorm.Expr("md5('cart' || ?::int)::uuid", rand.IntN(b.carts)+1)
		if err := tx.Clauses(clause.Locking{Strength: "UPDATE"}).First(&row, "id = ?", id).Error; err != nil {
			return err
		}
		var cart gormCart
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
		event := gormEvent{Stream: row.ID, Version: row.Version, Type: "cart.quantity_changed", Data: string(data), Meta: string(meta), At: row.UpdatedAt}
		if err := tx.Create(&event).Error; err != nil {
			return err
		}
		if err := tx.Save(&row).Error; err != nil {
			return err
		}
		return tx.Create(&gormReceipt{ID: uuid.New(), Fingerprint: fingerprint, Stream: row.ID, Version: row.Version, At: row.UpdatedAt}).Error
	})
}

// fingerprint has the length of a request's fingerprint.
var fingerprint = make([]byte, 16)
