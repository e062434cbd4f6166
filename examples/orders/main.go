// Command orders has two kinds of processes that meet by the name of a segment.
// Run "orders work" in one or more terminals: each waits for one order. Then run
// "orders put tea" in another. Kill a worker while it works: another one gets its
// order.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"

	"github.com/shoal-ipc/shoal/queue"
	"github.com/shoal-ipc/shoal/shm"
)

// Order is what travels. It has a string, so it is encoded; a struct of numbers
// would travel as its bytes.
type Order struct {
	Item  string
	Count int
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, args []string) error {
	seg, err := shm.OpenOrCreate(ctx, "orders", shm.Spec{}, nil)
	if err != nil {
		return err
	}
	defer seg.Close()
	orders, err := queue.OpenOrCreate[Order](ctx, seg, "new", queue.Spec{})
	if err != nil {
		return err
	}
	if len(args) == 2 && args[0] == "put" {
		return orders.Put(ctx, Order{Item: args[1], Count: 1})
	}
	return orders.GetFunc(ctx, work) // killed in work, another process gets the order
}

func work(o *Order) error {
	_, err := fmt.Println("making", o.Count, o.Item)
	return err
}
