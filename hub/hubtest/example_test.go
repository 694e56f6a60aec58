// SPDX-License-Identifier: Apache-2.0

package hubtest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/hub/hubtest"
	"github.com/plexus-ipc/plexus/status"
)

func TestMain(m *testing.M) { hubtest.Main(m) }

// What a shop does is tested with a hub, a shop and a customer in one process.
func TestOrders(t *testing.T) {
	h := hubtest.New(t, nil)
	shop, customer := h.Join("shop"), h.Join("customer")
	_, err := plexus.Handle(shop.Channel("market"), "price", func(_ context.Context, item string) (int, error) {
		return len(item), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	price, err := plexus.Call[int](t.Context(), customer.Channel("market"), "price", "apple")
	if err != nil || price != 5 {
		t.Fatal(price, err)
	}

	shop.Cut()
	shop.Gone()
	_, err = plexus.Call[int](t.Context(), customer.Channel("market"), "price", "pear")
	if !errors.Is(err, status.NoProvider) {
		t.Fatal(err)
	}
}

// In a bubble an hour of a slow line costs no time, and deadlines are exact.
func TestSlowLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hubtest.New(t, nil)
		shop, customer := h.Join("shop"), h.Join("customer")
		_, err := plexus.Handle(shop.Channel("market"), "price", func(context.Context, string) (int, error) { return 7, nil })
		if err != nil {
			t.Fatal(err)
		}
		customer.Slow(time.Hour)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		_, err = plexus.Call[int](ctx, customer.Channel("market"), "price", "apple")
		if !errors.Is(err, status.DeadlineExceeded) || time.Since(began) != time.Minute {
			t.Fatal(err, time.Since(began))
		}
		customer.Slow(0)
	})
}
