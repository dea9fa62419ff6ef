package order

import (
	"context"
	"errors"
	"strconv"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// numbersAtOnce is how many numbers a process draws in one round trip. What it does not use is lost when it ends: gaps
// are normal, and say nothing about how many orders there are.
const numbersAtOnce = 64

// numbers hands out order numbers: the next of a sequence, and a check digit. Digits alone can be spelled over a
// telephone in any language; the check digit (Damm) catches every single wrong digit and every swap of two neighbours.
type numbers struct {
	draw func(context.Context) ([]int64, error)

	mu   sync.Mutex
	left []int64
}

func numbersOf(c Config) *numbers {
	if c.DrawNumbers != nil {
		return &numbers{draw: c.DrawNumbers}
	}
	return newNumbers(c.Query)
}

func newNumbers(pool *pgxpool.Pool) *numbers {
	return &numbers{draw: func(ctx context.Context) ([]int64, error) {
		rows, err := pool.Query(ctx, `select nextval('orders.numbers') from generate_series(1, $1)`, numbersAtOnce)
		if err != nil {
			return nil, err
		}
		return pgx.CollectRows(rows, pgx.RowTo[int64])
	}}
}

// next is a number that no other order has.
func (n *numbers) next(ctx context.Context) (string, error) {
	n.mu.Lock() // held while drawing: the others need what it brings
	defer n.mu.Unlock()
	if len(n.left) == 0 {
		drawn, err := n.draw(ctx)
		if err != nil {
			return "", err
		}
		if len(drawn) == 0 {
			return "", errors.New("the sequence gave no numbers")
		}
		n.left = drawn
	}
	first := n.left[0]
	n.left = n.left[1:]
	return withCheckDigit(first), nil
}

func withCheckDigit(n int64) string {
	digits := strconv.FormatInt(n, 10)
	return digits + strconv.Itoa(int(damm(digits)))
}

// validNumber reports whether s can be the number of an order: digits whose check digit fits.
func validNumber(s string) bool {
	for _, r := range s {
		if r < '0' || r > '9' {
			return false
		}
	}
	return len(s) > 1 && damm(s) == 0
}

// damm runs digits through a quasigroup that is totally anti-symmetric (H. M. Damm, 2004). With its check digit at the end
// a number comes out as 0.
func damm(digits string) byte {
	var interim byte
	for _, d := range []byte(digits) {
		interim = dammTable[interim][d-'0']
	}
	return interim
}

var dammTable = [10][10]byte{
	{0, 3, 1, 7, 5, 9, 8, 6, 4, 2},
	{7, 0, 9, 2, 1, 5, 4, 8, 6, 3},
	{4, 2, 0, 6, 8, 7, 1, 3, 5, 9},
	{1, 7, 5, 0, 9, 8, 3, 4, 2, 6},
	{6, 1, 2, 3, 0, 4, 5, 9, 7, 8},
	{3, 6, 7, 4, 2, 0, 9, 5, 8, 1},
	{5, 8, 6, 9, 7, 2, 0, 1, 3, 4},
	{8, 9, 4, 5, 3, 6, 2, 0, 1, 7},
	{9, 4, 3, 8, 6, 1, 7, 2, 0, 5},
	{2, 5, 8, 1, 4, 3, 6, 7, 9, 0},
}
