package diff

import "math"

// learn fits the noise to the rows that are tested.
func (t *table) learn(rows []int) {
	if t.layouts != nil {
		each := t.withoutLayouts()
		each.learn(rows)
		t.apart = each.noise
	}
	t.noise = noise{scale: 1, blow: 1}
	if !t.repeats() {
		t.learnWithout(rows)
		return
	}
	t.noise.cv = t.commonCV(rows)
	var spreads []spread
	for _, row := range rows {
		spreads = append(spreads, t.spread(row))
	}
	t.noise.fit(spreads)
	if t.side[older].df()+t.side[newer].df() < 4 {
		t.noise.blow = fewRepeats
	}
	if t.blocks() {
		t.noise.blow = t.blow(rows)
		t.noise.fixed = t.assumedCV(cpuRow, waitRow)
		t.calibrate(rows)
	}
}

// fewRepeats is how much more variance two repeats a side are taken to have than they show: too
// little to know which rows work in bursts.
const fewRepeats = 1.5

// repeats says whether a side at least has more than one observation.
func (t *table) repeats() bool { return len(t.side[older].rep) > 1 || len(t.side[newer].rep) > 1 }

// blocks says that what repeats there are, are blocks of one process's time.
func (t *table) blocks() bool { return t.side[older].blocks || t.side[newer].blocks }

// assumedCV is what two runs are assumed to differ by, of a row or of the total.
func (t *table) assumedCV(cpu, wait assumed) float64 {
	a := wait
	if onCPU(t.name) || t.unit == unitEach {
		a = cpu
	}
	return a.after(t.seconds, t.blocks())
}

// commonCV is what rows vary by beyond counting: their median, each row with the weight of its
// samples, because a small row's variance says little about anything but counting.
func (t *table) commonCV(rows []int) float64 {
	var excess []weighted
	for _, row := range rows {
		mean := t.pooled(row)
		for s := range t.side {
			h := &t.side[s]
			if h.df() <= 0 || mean <= 0 {
				continue
			}
			v, df := t.variance(h, row)
			x := (v/chiMedian(df) - t.floor(h, row, mean)) / (mean * mean)
			weight := 1.0
			if h.weight > 0 {
				weight = mean * h.scale() / h.weight
			}
			excess = append(excess, weighted{x, weight})
		}
	}
	if len(excess) < enoughRows {
		return repeatCV
	}
	return math.Sqrt(max(0, weightedMedian(excess)))
}

// variance is that of one repeat of a row, of one side or, where there are layouts, as both sides show it.
func (t *table) variance(h *half, row int) (v, df float64) {
	if t.layouts != nil {
		return t.between(row)
	}
	_, v = h.mean(row)
	return v, h.df()
}

// learnWithout has one profile a side and no timeline: counts, and what other programs taught.
func (t *table) learnWithout(rows []int) {
	t.noise.fixed = t.assumedCV(cpuRow, waitRow)
	t.noise.df = 5
	t.calibrate(rows)
}

// calibrate makes the bulk of the rows look unchanged (Efron's empirical null): if the median
// row is further out than chance puts it, the program varies more than the model knows.
func (t *table) calibrate(rows []int) {
	if len(rows) < enoughRows {
		return
	}
	var z2 []float64
	for _, row := range rows {
		d, se, _ := t.difference(row)
		z2 = append(z2, d*d/(se*se))
	}
	if k := median(z2) / chiMedian(1); k > 1 {
		t.noise.blow *= k
		t.noise.fixed *= math.Sqrt(k)
	}
}

// blow is how much more a mean of blocks varies than if they were independent: neighbouring blocks
// of time are alike. With the rows' average correlation of neighbours q it is (1+q)/(1-q).
func (t *table) blow(rows []int) float64 {
	var cov, all float64
	for _, row := range rows {
		for s := range t.side {
			h := &t.side[s]
			mean, v := h.mean(row)
			if !h.blocks || v == 0 {
				continue
			}
			for i := 1; i < len(h.rep); i++ {
				a, b := h.rep[i-1], h.rep[i]
				cov += (a.x[row]/a.scale - mean) * (b.x[row]/b.scale - mean) / v
			}
			all += h.df()
		}
	}
	if all == 0 {
		return 1
	}
	q := min(0.8, cov/all+1.0/blocks) // the estimate of a short series is low by 1/k
	return max(1, (1+q)/(1-q))
}
