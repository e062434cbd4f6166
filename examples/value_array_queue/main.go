// Value_array_queue shares a number, an array and a queue with a child process.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/shoal-ipc/shoal/array"
	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/queue"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/value"
)

type args struct {
	Num *value.Value[float64]
	Arr *array.Array[int32]
	Out *queue.Queue[any]
}

var f = process.Func("f", func(ctx context.Context, a args) error {
	if err := a.Num.Store(ctx, 3.1415927); err != nil {
		return err
	}
	for i, x := range a.Arr.All() {
		a.Arr.Set(i, -x)
	}
	return a.Out.Put(ctx, []any{42, nil, "hello"})
})

func main() {
	process.Main()
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	seg, err := shm.Anonymous(shm.Spec{})
	if err != nil {
		return err
	}
	defer seg.Close()
	num, err := value.Create(ctx, seg, "num", 0.0)
	if err != nil {
		return err
	}
	arr, err := array.Create[int32](ctx, seg, "arr", array.Spec{Len: 10})
	if err != nil {
		return err
	}
	for i := range arr.Len() {
		arr.Set(i, int32(i))
	}
	q, err := queue.Create[any](ctx, seg, "q", queue.Spec{})
	if err != nil {
		return err
	}
	if err := f.Run(ctx, args{num, arr, q}); err != nil {
		return err
	}
	fmt.Println(num.Load())
	fmt.Println(arr.View())
	msg, err := q.Get(ctx)
	if err != nil {
		return err
	}
	fmt.Println(msg)
	return nil
}
