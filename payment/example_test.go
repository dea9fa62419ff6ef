package payment_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"shopping-cart/payment"
	"shopping-cart/payment/conformance"
	"shopping-cart/platform/money"
)

func authorization(method string) payment.Call {
	return payment.Call{Key: "1/authorize", Reference: "1", PaymentMethod: method, Amount: money.Of(1999, "GBP")}
}

// A provider answers an authorization with a status and its own reference. Repeating the key repeats the answer.
func ExampleProvider() {
	provider := newVouchers()
	for range 2 {
		answer, err := provider.Authorize(context.Background(), authorization("voucher"))
		fmt.Println(answer.Status, answer.ProviderReference, err)
	}
	// Output:
	// authorized voucher-1 <nil>
	// authorized voucher-1 <nil>
}

// A decline is an answer, not an error. Its code tells the reason.
func ExampleAnswer() {
	answer, err := newVouchers().Authorize(context.Background(), authorization("empty"))
	fmt.Println(answer.Status, answer.Code, err)
	// Output: declined insufficient_funds <nil>
}

// A Transient error means that the provider certainly did nothing.
func ExampleTransient() {
	provider := &unreliable{vouchers: newVouchers(), calls: map[string]int{}}
	_, err := provider.Authorize(context.Background(), authorization("flaky"))
	var transient *payment.Transient
	fmt.Println(errors.As(err, &transient), err)
	// Output: true without effect: try again later
}

// After any other error the outcome is unknown. A look-up tells it.
func ExampleReport() {
	provider := &unreliable{vouchers: newVouchers(), calls: map[string]int{}}
	call := authorization("silent") // takes effect without an answer
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	_, err := provider.Authorize(ctx, call)
	fmt.Println(err)
	report, err := provider.LookUp(context.Background(), call)
	fmt.Println(report.Status, err)
	// Output:
	// context deadline exceeded
	// authorized <nil>
}

// The conformance suite is the test of a new provider. Its subject brings the provider into each situation.
func Example_conformance() {
	_ = func(t *testing.T) { // TestConformance of package voucher
		conformance.Run(t, func(t *testing.T) conformance.Subject {
			provider := newVouchers()
			return conformance.Subject{
				Provider:       provider,
				PaymentMethods: conformance.PaymentMethods{Good: "voucher", Declined: "forged", InsufficientFunds: "empty"},
				Approve:        provider.says(payment.Authorized, ""),
				Deny:           provider.says(payment.Declined, payment.CodeAuthenticationFailed),
			}
		})
	}
	// Output:
}
