package frameworks

// Versions that rows were checked on.
const (
	std        = "std"
	go126      = "go1.26.8" // functions of HTTP/2 that begin with http2 are gone in Go 1.27
	go127      = "go1.27.4"
	grpc       = "google.golang.org/grpc"
	grpcV      = "v1.85.0"
	fasthttp   = "github.com/valyala/fasthttp"
	fasthttpV  = "v1.78.0"
	xsync      = "golang.org/x/sync"
	xsyncV     = "v0.25.0"
	xnet       = "golang.org/x/net"
	xnetV      = "v0.61.0"
	puddle     = "github.com/jackc/puddle/v2"
	redis      = "github.com/redis/go-redis/v9"
	redisV     = "v9.23.0"
	mongo      = "go.mongodb.org/mongo-driver/v2"
	mongoV     = "v2.10.0"
	clientGo   = "k8s.io/client-go"
	clientGoV  = "v0.37.2"
	connection = "a connection of the pool"
	streams    = "a stream of the HTTP/2 connection: its peer allows only so many at a time"
	window     = "the peer to take more (flow control)"
)

// table is which framework does what. chi, gin and echo run below net/http's handler, database drivers
// below database/sql, and need no rows.
var table = []Entry{
	// Servers.
	{"net/http.serverHandler.ServeHTTP", Handles, "net/http's handler, HTTP/2 included", "", std, go127},
	{"net/http.(*conn).serve", Serves, "a connection of net/http's server", "", std, go127},
	{"net/http.(*Server).Serve", Accepts, "net/http's accept loop", "", std, go127},
	{"net/http.(*connReader).backgroundRead", Beside, "net/http looks whether the client goes away", "", std, go127},
	{"net/http.(*connReader).abortPendingRead", Beside, "net/http's own bookkeeping", "", std, go127},
	{"net/http.(*http2serverConn).serve", Serves, "a connection of net/http's HTTP/2 server", "", std, go126},
	{"net/http.(*http2serverConn).readFrames", Beside, "the reader of an HTTP/2 connection", "", std, go126},
	{"net/http.(*http2responseWriter).", Flow, window, "", std, go126},
	{"net/http/internal/http2.(*serverConn).serve", Serves, "a connection of net/http's HTTP/2 server", "", std, go127},
	{"net/http/internal/http2.(*serverConn).readFrames", Beside, "the reader of an HTTP/2 connection", "", std, go127},
	{"golang.org/x/net/http2.(*serverConn).runHandler", Handles, "a handler of x/net/http2", "", xnet, xnetV},
	{"golang.org/x/net/http2.(*serverConn).serve", Serves, "a connection of x/net/http2's server", "", xnet, xnetV},
	{"golang.org/x/net/http2.(*serverConn).readFrames", Beside, "the reader of an HTTP/2 connection", "", xnet, xnetV},
	{"google.golang.org/grpc.(*Server).handleStream", Handles, "a gRPC handler", "", grpc, grpcV},
	{"google.golang.org/grpc.(*Server).serveStreams", Serves, "a connection of gRPC's server", "", grpc, grpcV},
	{"google.golang.org/grpc.(*Server).serverWorker", Serves, "a worker of gRPC's server", "", grpc, grpcV},
	{"google.golang.org/grpc.(*Server).Serve", Accepts, "gRPC's accept loop", "", grpc, grpcV},
	{"google.golang.org/grpc/internal/transport.(*loopyWriter).run", Beside, "the writer of a gRPC connection", "", grpc, grpcV},
	{"google.golang.org/grpc/internal/transport.(*http2Server).keepalive", Beside, "gRPC's keep-alive", "", grpc, grpcV},
	{"google.golang.org/grpc/internal/transport.(*http2Client).keepalive", Beside, "gRPC's keep-alive", "", grpc, grpcV},
	{"github.com/valyala/fasthttp.(*Server).serveConn", Serves, "a connection of fasthttp's server", "", fasthttp, fasthttpV},
	{"github.com/valyala/fasthttp.(*Server).serveConnCounted", Serves, "a connection of fasthttp's server", "", fasthttp, fasthttpV},
	{"github.com/valyala/fasthttp.(*Server).Serve", Accepts, "fasthttp's accept loop", "", fasthttp, fasthttpV},
	{"github.com/valyala/fasthttp.(*workerPool).clean", Beside, "fasthttp tidies up", "", fasthttp, fasthttpV},
	{"golang.org/x/net/netutil.(*limitListener).acquire", Limit, "one of the connections that netutil.LimitListener allows", "", xnet, xnetV},

	// Pools of connections.
	{"database/sql.(*DB).conn", Pool, connection + " (SetMaxOpenConns)", "", std, go127},
	{"database/sql.(*DB).connectionOpener", Beside, "database/sql opens connections", "", std, go127},
	{"database/sql.(*DB).connectionCleaner", Beside, "database/sql tidies up", "", std, go127},
	{"database/sql.(*Tx).awaitDone", Beside, "database/sql waits for the end of a transaction", "", std, go127},
	{"database/sql.(*Rows).awaitDone", Beside, "database/sql waits for the end of the rows", "", std, go127},
	{"net/http.(*Transport).getConn", Pool, "a connection of the transport (MaxConnsPerHost)", "net/http.(*persistConn).roundTrip",
		std, go127},
	{"net/http.(*Transport).queueForIdleConn", Pool, "a connection of the transport (MaxConnsPerHost)", "net/http.(*persistConn).roundTrip",
		std, go127},
	{"github.com/jackc/puddle/v2.(*Pool).Acquire", Pool, connection, "", puddle, "v2.2.3"},
	{"github.com/jackc/puddle/v2.(*Pool).acquire", Pool, connection, "", puddle, "v2.2.3"},
	{"github.com/redis/go-redis/v9/internal/pool.(*ConnPool).waitTurn", Pool, connection + " (PoolSize)", "", redis, redisV},
	{"github.com/redis/go-redis/v9/internal/pool.(*ConnPool).queuedNewConn", Pool, connection + " (PoolSize)", "", redis, redisV},
	{"github.com/redis/go-redis/v9/internal/pool.(*ConnPool).getConn", Pool, connection + " (PoolSize)", "", redis, redisV},
	{"github.com/gomodule/redigo/redis.(*Pool).waitVacantConn", Pool, connection + " (MaxActive)", "", "github.com/gomodule/redigo", "v1.9.3"},
	{"go.mongodb.org/mongo-driver/v2/x/mongo/driver/topology.(*pool).checkOut", Pool, connection + " (maxPoolSize)", "", mongo, mongoV},
	{"go.mongodb.org/mongo-driver/x/mongo/driver/topology.(*pool).checkOut", Pool, connection + " (maxPoolSize)", "",
		"go.mongodb.org/mongo-driver", "v1.17.10"},
	{"github.com/valyala/fasthttp.(*HostClient).AcquireConn", Pool, connection + " (MaxConnsPerHost)", "", fasthttp, fasthttpV},

	// Limits of places, and workers.
	{"golang.org/x/sync/semaphore.(*Weighted).Acquire", Limit, "a place of the semaphore.Weighted", "", xsync, xsyncV},
	{"golang.org/x/sync/errgroup.(*Group).Go", Limit, "a place of the errgroup (SetLimit)", "golang.org/x/sync/errgroup.(*Group).Go.func1",
		xsync, xsyncV},
	{"github.com/panjf2000/ants/v2.(*Pool).Submit", Limit, "a worker of the ants pool", "", "github.com/panjf2000/ants/v2", "v2.12.1"},

	// The clock.
	{"golang.org/x/time/rate.(*Limiter).WaitN", Rate, "its turn by the rate.Limiter", "", "golang.org/x/time", "v0.16.0"},
	{"golang.org/x/time/rate.(*Limiter).wait", Rate, "its turn by the rate.Limiter", "", "golang.org/x/time", "v0.16.0"},
	{"golang.org/x/time/rate.(*Limiter).Wait", Rate, "its turn by the rate.Limiter", "", "golang.org/x/time", "v0.16.0"},
	{"go.uber.org/ratelimit.(*mutexLimiter).Take", Rate, "its turn by the ratelimit.Limiter", "", "go.uber.org/ratelimit", "v0.3.1"},
	{"go.uber.org/ratelimit.(*atomicLimiter).Take", Rate, "its turn by the ratelimit.Limiter", "", "go.uber.org/ratelimit", "v0.3.1"},
	{"go.uber.org/ratelimit.(*atomicInt64Limiter).Take", Rate, "its turn by the ratelimit.Limiter", "", "go.uber.org/ratelimit", "v0.3.1"},
	{"k8s.io/client-go/rest.(*Request).tryThrottleWithInfo", Rate, "its turn by the client's rate limit (QPS, Burst)",
		"", clientGo, clientGoV},
	{"github.com/cenkalti/backoff/v5.Retry", Retry, "the next try", "", "github.com/cenkalti/backoff/v5", "v5.0.3"},
	{"github.com/avast/retry-go/v4.Do", Retry, "the next try", "", "github.com/avast/retry-go/v4", "v4.7.0"},
	{"github.com/avast/retry-go/v4.DoWithData", Retry, "the next try", "", "github.com/avast/retry-go/v4", "v4.7.0"},
	{"github.com/hashicorp/go-retryablehttp.(*Client).Do", Retry, "the next try", "", "github.com/hashicorp/go-retryablehttp", "v0.7.8"},
	{"github.com/segmentio/kafka-go.(*Writer).WriteMessages", Batch, "its batch to fill (BatchSize) or to be due (BatchTimeout)",
		"github.com/segmentio/kafka-go.(*partitionWriter).writeBatch", "github.com/segmentio/kafka-go", "v0.4.51"},

	// Joiners.
	{"golang.org/x/sync/singleflight.(*Group).Do", Joins, "the call that another request makes",
		"golang.org/x/sync/singleflight.(*Group).doCall", xsync, xsyncV},
	{"internal/singleflight.(*Group).", Joins, "the call that another request makes", "internal/singleflight.(*Group).doCall", std, go127},
	{"sync.(*Once).doSlow", Joins, "the one call of a sync.Once", "sync.(*Once).doSlow", std, go127},

	// Clients.
	{"net/http.(*persistConn).roundTrip", Replies, "an answer", "net/http.(*persistConn).readLoop", std, go127},
	{"net/http.(*persistConn).readLoop", Beside, "the reader of a client's connection", "", std, go127},
	{"net/http.(*persistConn).writeLoop", Beside, "the writer of a client's connection", "", std, go127},
	{"net/http.(*bodyEOFSignal).", Replies, "an answer", "net/http.(*persistConn).readLoop", std, go127},
	{"net/http.(*http2ClientConn).awaitOpenSlotForStreamLocked", Limit, streams, "", std, go126},
	{"net/http.(*http2clientStream).awaitFlowControl", Flow, window, "", std, go126},
	{"net/http.(*http2clientStream).", Replies, "an answer", "net/http.(*http2ClientConn).readLoop", std, go126},
	{"net/http.(*http2ClientConn).readLoop", Beside, "the reader of an HTTP/2 connection", "", std, go126},
	{"net/http.(*http2ClientConn).", Replies, "an answer", "net/http.(*http2ClientConn).readLoop", std, go126},
	{"net/http.http2transportResponseBody.", Replies, "an answer", "net/http.(*http2ClientConn).readLoop", std, go126},
	{"net/http/internal/http2.(*ClientConn).awaitOpenSlotForStreamLocked", Limit, streams, "", std, go127},
	{"net/http/internal/http2.(*clientStream).awaitFlowControl", Flow, window, "", std, go127},
	{"net/http/internal/http2.(*clientStream).", Replies, "an answer", "net/http/internal/http2.(*ClientConn).readLoop", std, go127},
	{"net/http/internal/http2.(*ClientConn).readLoop", Beside, "the reader of an HTTP/2 connection", "", std, go127},
	{"net/http/internal/http2.(*ClientConn).", Replies, "an answer", "net/http/internal/http2.(*ClientConn).readLoop", std, go127},
	{"net/http/internal/http2.transportResponseBody.", Replies, "an answer", "net/http/internal/http2.(*ClientConn).readLoop", std, go127},
	{"golang.org/x/net/http2.(*ClientConn).awaitOpenSlotForStreamLocked", Limit, streams, "", xnet, xnetV},
	{"golang.org/x/net/http2.(*clientStream).awaitFlowControl", Flow, window, "", xnet, xnetV},
	{"golang.org/x/net/http2.(*clientStream).", Replies, "an answer", "golang.org/x/net/http2.(*ClientConn).readLoop", xnet, xnetV},
	{"golang.org/x/net/http2.(*ClientConn).readLoop", Beside, "the reader of an HTTP/2 connection", "", xnet, xnetV},
	{"golang.org/x/net/http2.(*ClientConn).", Replies, "an answer", "golang.org/x/net/http2.(*ClientConn).readLoop", xnet, xnetV},
	{"golang.org/x/net/http2.transportResponseBody.", Replies, "an answer", "golang.org/x/net/http2.(*ClientConn).readLoop", xnet, xnetV},
	{"google.golang.org/grpc/internal/transport.(*recvBufferReader).", Replies, "an answer",
		"google.golang.org/grpc/internal/transport.(*http2Client).reader", grpc, grpcV},
	{"google.golang.org/grpc/internal/transport.(*ClientStream).waitOnHeader", Replies, "an answer",
		"google.golang.org/grpc/internal/transport.(*http2Client).reader", grpc, grpcV},
	{"google.golang.org/grpc/internal/transport.(*http2Client).NewStream", Limit, streams, "", grpc, grpcV},
	{"google.golang.org/grpc/internal/transport.(*writeQuota).get", Flow, window, "", grpc, grpcV},
	{"google.golang.org/grpc/internal/transport.(*http2Client).reader", Beside, "the reader of a gRPC connection", "", grpc, grpcV},
	{"google.golang.org/grpc.(*pickerWrapper).pick", Dials, "a connection to the peer", "", grpc, grpcV},
	{"google.golang.org/grpc.(*clientStream).RecvMsg", Replies, "an answer", "google.golang.org/grpc/internal/transport.(*http2Client).reader",
		grpc, grpcV},
	{"net.(*Resolver).", Resolves, "the name service", "", std, go127},
	{"net.(*Dialer).DialContext", Dials, "a connection to be opened", "", std, go127},
	{"net.(*sysDialer).", Dials, "a connection to be opened", "", std, go127},
	{"net/http.(*Transport).dialConnFor", Dials, "a connection to be opened", "", std, go127},
	{"database/sql.(*DB).openNewConnection", Dials, "a connection to be opened", "", std, go127},
	{"net/http.(*Transport).dialConn", Dials, "a connection to be opened", "", std, go127},
	{"net/http.(*persistConn).addTLS", Handshakes, "a TLS handshake", "", std, go127},
	{"crypto/tls.(*Conn).handshakeContext", Handshakes, "a TLS handshake", "", std, go127},
}
