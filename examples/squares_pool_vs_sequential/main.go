// Squares_pool_vs_sequential compares a loop with a pool of processes, for tasks
// of next to no work and for tasks of much. A pool costs the start of its
// processes, and for each task a way there and back: it wins if the work is
// worth that, and if there is more than one processor.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"slices"
	"time"

	"github.com/shoal-ipc/shoal/pool"
	"github.com/shoal-ipc/shoal/process"
)

// task is a number to square, and how often.
type task struct{ N, Steps int }

var squares = pool.Func("squares", func(_ context.Context, t task) (int, error) { return t.square(), nil })

// square adds up as many squares as there are steps and returns their mean.
func (t task) square() int {
	total := 0
	for range t.Steps {
		total += t.N * t.N
	}
	return total / t.Steps
}

func main() {
	process.Main()
	part := flag.Int("part", 1, "divides the work of the second comparison")
	flag.Parse()
	if err := run(context.Background(), *part); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, part int) error {
	fmt.Println("Little work for each number:")
	if err := compare(ctx, tasks(10_000, 1)); err != nil {
		return err
	}
	fmt.Println("Much work for each number:")
	return compare(ctx, tasks(100, 10_000_000/part))
}

func tasks(n, steps int) []task {
	list := make([]task, n)
	for i := range list {
		list[i] = task{N: i + 1, Steps: steps}
	}
	return list
}

func compare(ctx context.Context, list []task) error {
	start := time.Now()
	want := make([]int, len(list))
	for i, t := range list {
		want[i] = t.square()
	}
	sequential := time.Since(start)

	start = time.Now()
	got, err := inPool(ctx, list)
	if err != nil {
		return err
	}
	parallel := time.Since(start)
	fmt.Printf("Sequential processing time: %g seconds.\n", sequential.Seconds())
	fmt.Printf("Parallel processing time: %g seconds.\n", parallel.Seconds())
	fmt.Printf("The pool takes %g times as long as the loop.\n", parallel.Seconds()/sequential.Seconds())
	if !slices.Equal(got, want) {
		return fmt.Errorf("the pool computes %v, the loop %v", got, want)
	}
	return nil
}

// inPool makes a pool, and lets it compute: its start is part of the price.
func inPool(ctx context.Context, list []task) ([]int, error) {
	p, err := pool.New(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	return squares.Map(ctx, p, list)
}
