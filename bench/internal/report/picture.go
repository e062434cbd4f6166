package report

import (
	"fmt"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/shoal-ipc/shoal/bench/internal/harness"
)

// folder is where the documents look for the pictures, beside them.
const folder = "performance"

// file returns the name of a picture's file.
func file(title string) string { return strings.ReplaceAll(title, " ", "-") + ".svg" }

// Pictures writes the pictures of a run into a folder, as SVG, and returns their
// names.
func Pictures(dir string, rows []harness.Row) ([]string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	var names []string
	titles := map[string][]harness.Row{}
	for _, r := range rows {
		if r.Picture != "" && r.Runs > 0 {
			titles[r.Picture] = append(titles[r.Picture], r)
		}
	}
	for title, points := range titles {
		name := file(title)
		if err := picture(filepath.Join(dir, name), title, points); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}

// colors tell the lines apart.
func colors(i int) color.Color {
	list := []uint32{0xd62728, 0x1f77b4, 0x2ca02c, 0xff7f0e, 0x9467bd, 0x8c564b, 0xe377c2, 0x7f7f7f, 0xbcbd22, 0x17becf, 0x000000}
	c := list[i%len(list)]
	return color.RGBA{R: uint8(c >> 16), G: uint8(c >> 8), B: uint8(c), A: 255}
}

// picture draws a line for each implementation that has at least two points.
func picture(path, title string, rows []harness.Row) error {
	p := plot.New()
	p.Title.Text = title
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.X.Tick.Marker = plot.ConstantTicks(ticksOf(rows, xName(title)))
	p.Y.Tick.Marker = decades(rows[0].Unit)
	p.X.Label.Text = strings.Join(strings.Fields(title)[2:], " ")
	p.Legend.Top, p.Legend.Padding = true, vg.Millimeter
	p.Add(plotter.NewGrid())
	lines := map[string]plotter.XYs{}
	var order []string
	for _, r := range rows {
		if r.Value <= 0 {
			continue
		}
		if lines[r.Impl] == nil {
			order = append(order, r.Impl)
		}
		lines[r.Impl] = append(lines[r.Impl], plotter.XY{X: r.X, Y: r.Value})
	}
	order = slices.DeleteFunc(order, func(impl string) bool { return len(lines[impl]) < 2 })
	for i, impl := range order {
		line, points, err := plotter.NewLinePoints(lines[impl])
		if err != nil {
			return err
		}
		line.Color, points.Color = colors(i), colors(i)
		points.Shape, points.Radius = plotutil.Shape(i), vg.Points(3)
		line.Width = vg.Points(1)
		if strings.HasPrefix(impl, shoal) {
			line.Width = vg.Points(2.5)
		}
		p.Add(line, points)
		p.Legend.Add(impl, line, points)
	}
	if len(order) == 0 {
		return nil
	}
	p.X.Max *= math.Pow(p.X.Max/p.X.Min, 0.3) // room for the legend
	p.Y.Min, p.Y.Max = p.Y.Min/1.5, p.Y.Max*1.5
	return write(path, p)
}

func write(path string, p *plot.Plot) error {
	canvas := vgsvg.New(22*vg.Centimeter, 13*vg.Centimeter)
	p.Draw(draw.New(canvas))
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err := canvas.WriteTo(f); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}

// xName returns how a picture calls its places.
func xName(title string) func(float64) string {
	if strings.Contains(title, "size") {
		return func(x float64) string {
			for _, s := range []struct {
				from float64
				name string
			}{{1 << 20, "MiB"}, {1 << 10, "KiB"}} {
				if x >= s.from {
					return fmt.Sprintf("%.0f %s", x/s.from, s.name)
				}
			}
			return fmt.Sprintf("%.0f B", x)
		}
	}
	return func(x float64) string { return fmt.Sprintf("%.0f", x) }
}

func ticksOf(rows []harness.Row, name func(float64) string) []plot.Tick {
	var ticks []plot.Tick
	for _, r := range rows {
		if !slices.ContainsFunc(ticks, func(t plot.Tick) bool { return t.Value == r.X }) {
			ticks = append(ticks, plot.Tick{Value: r.X, Label: name(r.X)})
		}
	}
	return ticks
}

// decades marks the powers of ten, and where there are few of them what is
// between, and names them in the unit.
type decades harness.Unit

// Ticks implements plot.Ticker.
func (d decades) Ticks(low, high float64) []plot.Tick {
	var ticks []plot.Tick
	for e := math.Floor(math.Log10(low)); e <= math.Ceil(math.Log10(high)); e++ {
		for _, by := range []float64{1, 2, 5} {
			if v := by * math.Pow(10, e); by == 1 || high < 100*low {
				ticks = append(ticks, plot.Tick{Value: v, Label: figure(v, harness.Unit(d))})
			}
		}
	}
	return ticks
}
