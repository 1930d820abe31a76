"""The C that to_c writes, as templates: `$name` and all words behind a dollar are filled in."""

from string import Template

HEAD = Template("""\
/*
 * ${name}: a fitted $estimator, written by sklstm $version.
 *
 * C99 in float. It allocates no memory, and needs nothing but the math of the C library (-lm). Do
 * not compile it with -ffast-math: large offsets of features would cost digits.
 *
$usage *
 * x[$features]: a step, the features in the order of the training data.
 * y[$answers]: $meaning.$per_step
 */
#include <math.h>
#include <stddef.h>
#include <stdint.h>

#define ${NAME}_FEATURES $features
#define ${NAME}_ANSWERS $answers
""")

USAGE_OF_STREAMS = Template("""\
 *     ${name}_state state;                 of one series
 *     ${name}_reset(&state);               before its first step
 *     ${name}_step(&state, x, y);          one more step x; y answers for all steps so far
 *     ${name}_predict(x, n_steps, y);      a sequence x[n_steps][$features], n_steps > 0
 *
 * A state has $state_bytes bytes. A step takes about $stack_bytes bytes of the stack, a whole
 * sequence a state more. Weights and other constants have $constant_bytes bytes.
""")

USAGE_OF_SEQUENCES = Template("""\
 *     float buffer[${NAME}_BUFFER(100)];           for sequences of up to 100 steps
 *     ${name}_predict(x, n_steps, y, buffer);      a sequence x[n_steps][$features], n_steps > 0
 *
 * The net reads sequences backwards too, so it cannot answer step by step. It takes about
 * $stack_bytes bytes of the stack. Weights and other constants have $constant_bytes bytes.
""")

STATE = Template("""
typedef struct {
$fields} ${name}_state;

void ${name}_reset(${name}_state *state);
void ${name}_step(${name}_state *state, const float *x, float *y);
void ${name}_predict(const float *x, size_t n_steps, float *y);
""")

LAYER_FIELDS = Template("""\
    float hidden_$layer[$units], cell_$layer[$units];
""")

POOLING_FIELDS = Template("""\
    float pooled[$read]; /* the $pooled of the hidden states so far */
    uint32_t steps;
""")

BUFFER = Template("""
#define ${NAME}_BUFFER(n_steps) ((n_steps) * $buffer_width)

void ${name}_predict(const float *x, size_t n_steps, float *y, float *buffer);
""")

ARRAY = Template("""
static const float ${name}_$array[$size] = {
$numbers
};
""")

CELL = Template("""
static float ${name}_sigmoid(float x)
{
    return 1.0f / (1.0f + expf(-x));
}

/* Adds the products of n rows of weights with x; returns what lies behind these rows. */
static const float *${name}_add(
    const float *weights, int n, int width, const float *x, float *restrict gates)
{
    int k = 0;

    /* Four rows at a time, so that gates are read and written less often. */
    for (; k + 4 <= n; k += 4, weights += 4 * width) {
        const float *second = weights + width, *third = second + width, *fourth = third + width;
        for (int j = 0; j < width; j++)
            gates[j] += weights[j] * x[k] + second[j] * x[k + 1] + third[j] * x[k + 2]
                + fourth[j] * x[k + 3];
    }
    for (; k < n; k++, weights += width)
        for (int j = 0; j < width; j++)
            gates[j] += weights[j] * x[k];
    return weights;
}

/*
 * One step of a layer in one direction. The rows of weights are those of the bias, of the inputs
 * and of the hidden state; the columns are those of the gates: input, forget, candidate, output.
 */
static void ${name}_cell(
    const float *weights, int inputs, int units, const float *x,
    float *gates, float *hidden, float *cell)
{
    const int width = 4 * units;

    for (int j = 0; j < width; j++)
        gates[j] = weights[j];
    weights = ${name}_add(weights + width, inputs, width, x, gates);
    ${name}_add(weights, units, width, hidden, gates);
    for (int j = 0; j < units; j++) {
        const float enter = ${name}_sigmoid(gates[j]);
        const float keep = ${name}_sigmoid(gates[units + j]);
        const float candidate = tanhf(gates[2 * units + j]);
        const float leave = ${name}_sigmoid(gates[3 * units + j]);
        cell[j] = keep * cell[j] + enter * candidate;
        hidden[j] = leave * tanhf(cell[j]);
    }
}
""")

SCALED = Template("""
/* The features of a step as the net takes them. */
static void ${name}_scaled(const float *x, float *z)
{
    for (int k = 0; k < $features; k++) {
        const float number = $standardised;
        z[k] = number > $most ? $most : number < -$most ? -$most : number;
    }
}
""")

ANSWER = Template("""
/* The answer to what the dense layer reads. */
static void ${name}_answer(const float *read, float *y)
{
    float raw[$raw];

    for (int j = 0; j < $raw; j++)
        raw[j] = ${name}_output[j];
    for (int k = 0; k < $read; k++)
        for (int j = 0; j < $raw; j++)
            raw[j] += ${name}_output[$raw * (k + 1) + j] * read[k];
$link}
""")

# How raw outputs become an answer, by the name of the net's link.
LINKS = {
    "identity": Template("""\
    for (int j = 0; j < $raw; j++)
        y[j] = raw[j];
"""),
    "exp": Template("""\
    for (int j = 0; j < $raw; j++)
        y[j] = expf(raw[j]);
"""),
    "sorted": Template("""\
    /* The $quantiles quantiles of an output may cross, so they are sorted. */
    for (int j = 0; j < $raw; j++) {
        int k = j;
        for (; k % $quantiles > 0 && y[k - 1] > raw[j]; k--)
            y[k] = y[k - 1];
        y[k] = raw[j];
    }
"""),
    "normal": Template("""\
    for (int j = 0; j < $outputs; j++) {
        y[j] = raw[2 * j];
        y[$outputs + j] = expf(raw[2 * j + 1]);
    }
"""),
    "logit": Template("""\
    y[0] = ${name}_sigmoid(-raw[0]);
    y[1] = ${name}_sigmoid(raw[0]);
"""),
    "softmax": Template("""\
    float most = raw[0], sum = 0.0f;
    for (int j = 1; j < $raw; j++)
        most = raw[j] > most ? raw[j] : most;
    for (int j = 0; j < $raw; j++) {
        y[j] = expf(raw[j] - most);
        sum += y[j];
    }
    for (int j = 0; j < $raw; j++)
        y[j] /= sum;
"""),
}

STREAM = Template("""
void ${name}_reset(${name}_state *state)
{
    static const ${name}_state zero;

    *state = zero;
}

/* Reads a step. */
static void ${name}_read(${name}_state *state, const float *x)
{
    float z[$features], gates[$gates];

    ${name}_scaled(x, z);
$layers$pooling}

/* Answers for the steps so far. */
static void ${name}_finish(const ${name}_state *state, float *y)
{
$finish}

void ${name}_step(${name}_state *state, const float *x, float *y)
{
    ${name}_read(state, x);
    ${name}_finish(state, y);
}

void ${name}_predict(const float *x, size_t n_steps, float *y)
{
    ${name}_state state;

    ${name}_reset(&state);
$predict}
""")

LAYER_OF_STREAM = Template("""\
    ${name}_cell(${name}_weights_$layer, $inputs, $units, $source,
        gates, state->hidden_$layer, state->cell_$layer);
""")

# What a step adds to what is pooled, by the pooling.
POOLING_OF_STREAM = {
    "mean": Template("""\
    for (int k = 0; k < $read; k++)
        state->pooled[k] += state->hidden_$top[k];
    state->steps += state->steps < UINT32_MAX;
"""),
    "max": Template("""\
    for (int k = 0; k < $read; k++)
        if (state->steps == 0 || state->hidden_$top[k] > state->pooled[k])
            state->pooled[k] = state->hidden_$top[k];
    state->steps += state->steps < UINT32_MAX;
"""),
    "last": Template(""),
    None: Template(""),
}

FINISH: dict[str | None, Template] = {
    "mean": Template("""\
    float mean[$read];

    for (int k = 0; k < $read; k++)
        mean[k] = state->pooled[k] / (float)state->steps;
    ${name}_answer(mean, y);
"""),
    "max": Template("""\
    ${name}_answer(state->pooled, y);
"""),
    "last": Template("""\
    ${name}_answer(state->hidden_$top, y);
"""),
}
FINISH[None] = FINISH["last"]

PREDICT_ONCE = Template("""\
    for (size_t t = 0; t < n_steps; t++)
        ${name}_read(&state, x + t * $features);
    ${name}_finish(&state, y);
""")

PREDICT_EACH = Template("""\
    for (size_t t = 0; t < n_steps; t++)
        ${name}_step(&state, x + t * $features, y + t * $answers);
""")

BOTH_DIRECTIONS = Template("""
/* A layer in one direction: from x[n_steps][inputs] to some columns of out[n_steps][2 * units]. */
static void ${name}_direction(
    const float *weights, int inputs, int units, const float *x,
    size_t n_steps, int backward, float *out)
{
    float gates[$gates], hidden[$most_units], cell[$most_units];

    for (int j = 0; j < units; j++)
        hidden[j] = cell[j] = 0.0f;
    for (size_t i = 0; i < n_steps; i++) {
        const size_t t = backward ? n_steps - 1 - i : i;
        ${name}_cell(weights, inputs, units, x + t * (size_t)inputs, gates, hidden, cell);
        for (int j = 0; j < units; j++)
            out[t * 2 * (size_t)units + (size_t)j] = hidden[j];
    }
}

void ${name}_predict(const float *x, size_t n_steps, float *y, float *buffer)
{
    float *const even = buffer, *const odd = buffer + n_steps * $even_width;

    for (size_t t = 0; t < n_steps; t++)
        ${name}_scaled(x + t * $features, even + t * $features);
$layers$pooling}
""")

LAYER_OF_BOTH = Template("""\
    ${name}_direction(${name}_weights_$layer, $inputs, $units, $source, n_steps,
        0, $target);
    ${name}_direction(${name}_backward_$layer, $inputs, $units, $source, n_steps,
        1, $target + $units);
""")

# From the hidden states of the top layer, $top[n_steps][$read], to answers.
POOLING_OF_BOTH = {
    "last": Template("""\
    float read[$read];
    for (int k = 0; k < $units; k++) {
        read[k] = $top[(n_steps - 1) * $read + (size_t)k];
        read[$units + k] = $top[$units + k];
    }
    ${name}_answer(read, y);
"""),
    "mean": Template("""\
    float read[$read];
    for (int k = 0; k < $read; k++) {
        read[k] = 0.0f;
        for (size_t t = 0; t < n_steps; t++)
            read[k] += $top[t * $read + (size_t)k];
        read[k] /= (float)n_steps;
    }
    ${name}_answer(read, y);
"""),
    "max": Template("""\
    float read[$read];
    for (int k = 0; k < $read; k++) {
        read[k] = $top[k];
        for (size_t t = 1; t < n_steps; t++)
            if ($top[t * $read + (size_t)k] > read[k])
                read[k] = $top[t * $read + (size_t)k];
    }
    ${name}_answer(read, y);
"""),
    None: Template("""\
    for (size_t t = 0; t < n_steps; t++)
        ${name}_answer($top + t * $read, y + t * $answers);
"""),
}
