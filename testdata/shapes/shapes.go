package main

import (
	"time"

	"github.com/mayfly-profiler/mayfly/testdata/shapes/world"
)

// shapes is all services, by name.
var shapes = map[string]shape{
	"fanout-lock":     {serve: fanoutLock, load: posts(15, 12, time.Second)},
	"fanout-upstream": {serve: fanoutUpstream, load: posts(20, 0, 0)},
	"fanout-cpu":      {serve: fanoutCPU, load: tenth(12, "/order", world.Call{Path: "/order", Body: 20000})},
	"fanout-starved":  {serve: fanoutStarved, load: posts(40, 0, 0), beside: "neighbour"},

	"cpu":     {serve: route("/page", cpuBound), load: tenth(12, "/page", world.Call{Path: "/page?n=large"})},
	"gc":      {serve: route("/page", garbage), load: gets(25, 0, 0)},
	"procs":   {serve: route("/page", compressed), load: gets(8, 10, time.Second), procs: 1},
	"quota":   {serve: route("/page", compressed), load: gets(6, 6, time.Second)},
	"limiter": {serve: route("/page", rateLimiter), load: gets(6, 5, 2*time.Second)},
	"batcher": {serve: route("/page", batch), load: gets(50, 0, 0)},
	"backoff": {serve: route("/page", backOff), load: pages(50, 0, 0)},
	"timeout": {serve: route("/page", contextTimeout), load: pages(50, 0, 0)},

	"singleflight": {serve: route("/page", flight), load: gets(100, 0, 0)},
	"once":         {serve: route("/page", slowOnce), load: gets(100, 0, 0)},
	"group-commit": {serve: route("/page", groupCommit), load: gets(50, 0, 0)},
	"fsync":        {serve: route("/page", fsync), load: tenth(15, "/page", world.Call{Path: "/page?n=large"})},

	"channel-semaphore": {serve: route("/page", channelSemaphore), load: gets(15, 12, time.Second)},
	"token-channel":     {serve: route("/page", tokenChannel), load: gets(15, 12, time.Second)},
	"weighted":          {serve: route("/page", weightedSemaphore), load: gets(25, 18, time.Second)},
	"errgroup":          {serve: route("/page", errgroupLimit), load: counts(20)},
	"max-conns":         {serve: route("/page", maxConnsPerHost), load: gets(15, 12, time.Second)},
	"limit-listener":    {serve: limitListener, load: gets(100, 40, time.Second)},

	"upstream":     {serve: route("/page", slowUpstream), load: pages(50, 0, 0)},
	"http2-client": {serve: route("/page", http2Client), load: pages(50, 0, 0)},
	"tls":          {serve: route("/page", slowTLS), load: pages(50, 0, 0)},
	"dial":         {serve: route("/page", slowDial), load: pages(50, 0, 0)},
	"dns":          {serve: route("/page", slowDNS), load: pages(50, 0, 0)},
	"iter-pull":    {serve: route("/page", iterPull), load: pages(50, 0, 0)},

	"two-locks": {serve: route("/page", twoLocks), load: world.Load{Rate: 60, Calls: []world.Call{{Path: "/page", Share: 1}}, Burst: 4,
		Every: 600 * time.Millisecond, Path: "/page?n=large"}},
	"rwmutex": {serve: route("/page", rwMutex), load: gets(60, 0, 0)},
	"other-endpoint": {serve: handle(otherEndpoint), load: world.Load{Rate: 60, Calls: []world.Call{{Path: "/page", Share: 1}}, Burst: 1,
		Every: 400 * time.Millisecond, Path: "/refresh"}},
	"workers":  {serve: route("/page", workerPool), load: gets(15, 12, time.Second)},
	"cond":     {serve: route("/page", condQueue), load: gets(15, 12, time.Second)},
	"sql-pool": {serve: route("/page", sqlPool), load: gets(30, 25, time.Second)},
	"pgx-pool": {serve: route("/page", pgxPool), load: gets(30, 25, time.Second)},

	"redis-pool":    {serve: route("/page", redisPool), load: gets(25, 18, time.Second)},
	"chi-throttle":  {serve: throttled, load: gets(15, 12, time.Second)},
	"retry-library": {serve: route("/page", retryLibrary), load: pages(50, 0, 0)},
	"log":           {serve: route("/page", slowLog), load: pages(30, 0, 0)},
	"stages":        {serve: route("/page", pipeline), load: gets(15, 12, time.Second)},

	"slow-client": {serve: route("/page", download), load: world.Load{Rate: 50, Calls: []world.Call{{Path: "/page", Share: 19},
		{Path: "/page?n=large", Share: 1, Slow: true}}}},
	"slow-body": {serve: route("/page", upload), load: world.Load{Rate: 50, Calls: []world.Call{{Path: "/page", Body: 2000, Share: 19},
		{Path: "/page", Body: 2000, Share: 1, Slow: true}}}},
	"sleep":       {serve: route("/page", naps), load: pages(50, 0, 0)},
	"exec":        {serve: route("/page", converter), load: pages(50, 0, 0)},
	"flock":       {serve: route("/page", ledger), load: gets(50, 0, 0)},
	"stopped":     {serve: route("/page", stoppable), load: gets(60, 0, 0), beside: "stopper"},
	"consumers":   {serve: route("/page", consumers), load: pages(50, 0, 0)},
	"page-faults": {serve: route("/page", pageFaults), load: tenth(30, "/page", world.Call{Path: "/page?n=large"})},
	"unix":        {serve: route("/page", overUnix), load: pages(50, 0, 0)},

	"net-http":    {serve: onNetHTTP, load: mixed()},
	"http2":       {serve: onHTTP2, load: over2(mixed())},
	"gin":         {serve: onGin, load: mixed()},
	"echo":        {serve: onEcho, load: mixed()},
	"chi":         {serve: onChi, load: mixed()},
	"fasthttp":    {serve: onFastHTTP, load: mixed()},
	"fiber":       {serve: onFiber, load: mixed()},
	"grpc":        {serve: onGRPC, load: overGRPC(mixed())},
	"grpc-client": {serve: route("/page", grpcClient), load: pages(50, 0, 0)},
	"grpc-quota":  {serve: route("/page", grpcQuota), load: gets(15, 12, time.Second)},
	"itself": {serve: toItself, load: world.Load{Rate: 40, Calls: []world.Call{{Path: "/page", Share: 1}}, Burst: 4,
		Every: 700 * time.Millisecond, Path: "/page?n=large"}},

	"resource-pool": {serve: route("/page", resourcePool), load: gets(25, 18, time.Second)},
	"fast-conns":    {serve: fastConnections, load: gets(15, 12, time.Second)},
	"leases":        {serve: route("/page", leased), load: gets(25, 20, time.Second)},
	"reverse-proxy": {serve: reverseProxy, load: pages(50, 0, 0)},
	"world-stops":   {serve: route("/page", worldStops), load: gets(60, 0, 0)},
	"helper":        {serve: route("/page", helped), load: gets(10, 8, time.Second)},
	"hedge":         {serve: route("/page", hedge), load: pages(50, 0, 0)},
	"job-beside":    {serve: route("/page", jobBeside), load: gets(60, 0, 0)},

	"late-label": {serve: lateLabel, load: transfers()},
	"label-left": {serve: labelLeft, load: transfers()},

	"net-http-ok": {serve: onNetHTTP, load: items()},
	"http2-ok":    {serve: onHTTP2, load: over2(items())},
	"gin-ok":      {serve: onGin, load: items()},
	"echo-ok":     {serve: onEcho, load: items()},
	"chi-ok":      {serve: onChi, load: items()},
	"fasthttp-ok": {serve: onFastHTTP, load: thoughtful()},
	"fiber-ok":    {serve: onFiber, load: thoughtful()},
	"grpc-ok":     {serve: onGRPC, load: overGRPC(items())},
	"sse":         {serve: serverSentEvents, load: beside(items(), world.Stream{Path: "/events", Clients: 20, For: 4 * time.Second})},
	"websocket":   {serve: webSocket, load: beside(items(), world.Stream{Path: "/talk", Clients: 10, For: 4 * time.Second, WebSocket: true})},
	"grpc-stream": {serve: onGRPC, load: beside(overGRPC(items()), world.Stream{Path: "all", Clients: 10, For: 4 * time.Second})},
}

// items is quick requests only, mixed some reports that are asked for at once among them.
func items() world.Load {
	return world.Load{Rate: 60, Calls: []world.Call{{Path: "/items/7", Share: 1}}}
}

func mixed() world.Load {
	l := items()
	l.Burst, l.Every, l.Path = 4, 700*time.Millisecond, "/reports/7"
	return l
}

// transfers is requests of two routes, with bodies.
func transfers() world.Load {
	return world.Load{Rate: 60, Calls: []world.Call{{Path: "/accounts/7", Body: 2000, Share: 4}, {Path: "/transfers/7", Body: 2000, Share: 1}}}
}

// thoughtful is ten clients that think for 200 ms between requests.
func thoughtful() world.Load {
	return world.Load{Clients: 10, Think: 200 * time.Millisecond, Calls: []world.Call{{Path: "/items/7", Share: 1}}}
}

func over2(l world.Load) world.Load {
	l.HTTP2 = true
	return l
}

func overGRPC(l world.Load) world.Load {
	l.GRPC = true
	return l
}

func beside(l world.Load, s world.Stream) world.Load {
	l.Streams = append(l.Streams, s)
	return l
}

// gets is requests that are all the same.
func gets(rate float64, burst int, every time.Duration) world.Load {
	return world.Load{Rate: rate, Burst: burst, Every: every, Calls: []world.Call{{Path: "/page", Share: 1}}}
}

// pages is requests of which one in twenty is large.
func pages(rate float64, burst int, every time.Duration) world.Load {
	return world.Load{Rate: rate, Burst: burst, Every: every, Calls: []world.Call{{Path: "/page", Share: 19},
		{Path: "/page?n=large", Share: 1}}}
}

// tenth is requests of which one in ten is large.
func tenth(rate float64, path string, large world.Call) world.Load {
	small := world.Call{Path: path, Share: 9}
	if large.Share = 1; large.Body > 0 {
		small.Body = 2000
	}
	return world.Load{Rate: rate, Calls: []world.Call{small, large}}
}

// counts is requests for a few things and, one in ten, for many.
func counts(rate float64) world.Load {
	return world.Load{Rate: rate, Calls: []world.Call{{Path: "/page?n=2", Share: 5}, {Path: "/page?n=4", Share: 4},
		{Path: "/page?n=24", Share: 1}}}
}
