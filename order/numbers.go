package order

import (
	"crypto/rand"
	"math/big"
	"strconv"
)

// An order number is random: eleven digits, of which the first is not 0, and a check digit. Twelve digits can be spelled over a
// telephone in three groups of four, and are too few for a card number. Digits can be spelled in any language. The check digit
// (Damm) detects every single wrong digit and every swap of two neighbours.
//
// Numbers come from no sequence, so they do not reveal how many orders there are. A database that lost its last commits in a
// failover does not draw the lost numbers again, except by the usual small chance.
const (
	smallestNumber = 10_000_000_000
	largestNumber  = 99_999_999_999
)

// drawNumber returns a random number. The unique index of the numbers guards against a collision.
func drawNumber() int64 {
	n, err := rand.Int(rand.Reader, big.NewInt(largestNumber-smallestNumber+1))
	if err != nil {
		panic(err) // it never fails
	}
	return smallestNumber + n.Int64()
}

// draws limits how often a number is drawn again. With 90 million orders, one in a thousand draws is taken.
const draws = 5

func withCheckDigit(n int64) string {
	digits := strconv.FormatInt(n, 10)
	return digits + strconv.Itoa(int(damm(digits)))
}

// validNumber reports whether s has the form and the check digit of an order number.
func validNumber(s string) bool {
	for _, r := range s {
		if r < '0' || r > '9' {
			return false
		}
	}
	return len(s) > 1 && damm(s) == 0
}

// damm runs digits through a totally anti-symmetric quasigroup (H. M. Damm, 2004). A number with its check digit yields 0.
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
