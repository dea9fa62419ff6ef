package order

import (
	"crypto/rand"
	"math/big"
	"strconv"
)

// An order number is drawn at random: eleven digits, of which the first is not 0, and a check digit. Twelve digits can be
// spelled over a telephone in three groups of four, and are too few to be taken for a card number. Digits alone can be
// spelled in any language; the check digit (Damm) catches every single wrong digit and every swap of two neighbours.
//
// No sequence is behind it. So numbers say nothing about how many orders there are, and a database that lost its last
// moments in a failover does not draw again what it has forgotten: that is as unlikely as any other hit.
const (
	smallestNumber = 10_000_000_000
	largestNumber  = 99_999_999_999
)

// drawNumber is a number that no other order has, but for bad luck: the unique index of the numbers guards against it.
func drawNumber() int64 {
	n, err := rand.Int(rand.Reader, big.NewInt(largestNumber-smallestNumber+1))
	if err != nil {
		panic(err) // it never fails
	}
	return smallestNumber + n.Int64()
}

// draws bounds how often a number is drawn anew. One order in a thousand meets a number that is taken when there are 90 million.
const draws = 5

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
