"""The real Python SDKs through Weir, changed in nothing but their base URL.

    python sdks.py http://127.0.0.1:8787

Every case checks what the SDK gives, then prints one line of JSON: the user it went by, and what its row has to say. Tokens are worked
out by the fake provider's rule (four bytes of text are a token), costs from those and the list prices.
"""

import json
import sys
from decimal import Decimal

import anthropic
import openai
from google import genai
from google.genai import errors, types

proxy = sys.argv[1]
question = "How long is the river Limmat?"
schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
slow = "chunks=200;gap=100"
# USD per million tokens: input, output.
price = {"gpt-5-mini": ("0.25", "2"), "claude-haiku-4-5": ("1", "5"), "gemini-2.5-flash": ("0.30", "2.50"), "text-embedding-3-small": ("0.02", "0")}


def tokens(*texts):
    return -(-sum(len(text.encode()) for text in texts) // 4)


def exact(model, read, written, **more):
    usd = (Decimal(price[model][0]) * read + Decimal(price[model][1]) * written) / 1_000_000
    cost = format(usd.normalize(), "f")
    return {"outcome": "complete", "status": 200, "inputTokens": read, "outputTokens": written, "usageSource": "wire", "costStatus": "exact", "cost": cost, **more}


def failed(status, kind):
    return {"outcome": "complete", "status": status, "errorKind": kind, "inputTokens": None, "cost": "0", "costStatus": "not_billable"}


def raised(expected, call):
    try:
        call()
    except expected as error:
        return error
    raise AssertionError(f"{expected.__name__} was not raised")


cases = []


def case(run):
    cases.append(run)
    return run


# ---- openai


def openai_client(user, root="/openai/v1"):
    return openai.OpenAI(api_key="test-key", base_url=proxy + root, max_retries=0, default_headers={"Weir-User-Id": user})


messages = [{"role": "user", "content": question}]


@case
def openai_chat(user):
    answer = openai_client(user).chat.completions.create(model="gpt-5-mini", messages=messages)
    text = answer.choices[0].message.content
    assert answer.usage.completion_tokens == tokens(text), answer
    return exact("gpt-5-mini", tokens(question), tokens(text), api="chat", provider="openai")


@case
def openai_chat_stream(user):
    text, told = "", None
    for chunk in openai_client(user).chat.completions.create(
        model="gpt-5-mini", messages=messages, stream=True, stream_options={"include_usage": True}
    ):
        text += (chunk.choices[0].delta.content or "") if chunk.choices else ""
        told = chunk.usage or told
    assert told.completion_tokens == tokens(text), told
    return exact("gpt-5-mini", tokens(question), tokens(text), streaming=True)


@case
def openai_tools(user):
    tools = [{"type": "function", "function": {"name": "find_city", "parameters": schema}}]
    call = openai_client(user).chat.completions.create(model="gpt-5-mini", messages=messages, tools=tools).choices[0].message.tool_calls[0]
    assert call.function.name == "find_city" and json.loads(call.function.arguments) == {"city": "some city"}, call
    return exact("gpt-5-mini", tokens(question), tokens(call.function.arguments), toolCalls=1, finishReason="tool_calls")


@case
def openai_401(user):
    raised(openai.AuthenticationError, lambda: openai_client(user).chat.completions.create(model="gpt-5-mini", messages=messages, extra_headers={"x-fake": "status=401"}))
    return failed(401, "auth")


@case
def openai_429(user):
    error = raised(openai.RateLimitError, lambda: openai_client(user).chat.completions.create(model="gpt-5-mini", messages=messages, extra_headers={"x-fake": "status=429"}))
    assert error.response.headers["weir-id"], error
    return failed(429, "rate_limit")


@case
def openai_refused(user):
    error = raised(openai.BadRequestError, lambda: openai_client(user, "/v1").chat.completions.create(model="nobody-knows-this", messages=messages))
    assert error.code == "unknown_model", error.code
    return {"outcome": "refused", "status": 400, "errorCode": "unknown_model"}


@case
def openai_abort(user):
    stream = openai_client(user).chat.completions.create(model="gpt-5-mini", messages=messages, stream=True, extra_headers={"x-fake": slow})
    next(iter(stream))
    stream.close()
    return {"outcome": "client_abort", "status": 200, "usageSource": "estimated", "usageReason": "cut"}


@case
def openai_embeddings(user):
    answer = openai_client(user).embeddings.create(model="text-embedding-3-small", input=[question, "Zürich"])
    assert [len(one.embedding) for one in answer.data] == [1536, 1536]
    return exact("text-embedding-3-small", tokens(question) + tokens("Zürich"), 0, api="embeddings")


@case
def openai_responses(user):
    text = openai_client(user).responses.create(model="gpt-5-mini", instructions="Be brief.", input=question).output_text
    return exact("gpt-5-mini", tokens(question, "Be brief."), tokens(text), api="responses")


@case
def openai_responses_stream(user):
    text = ""
    for event in openai_client(user).responses.create(model="gpt-5-mini", input=question, stream=True):
        if event.type == "response.output_text.delta":
            text += event.delta
    return exact("gpt-5-mini", tokens(question), tokens(text), api="responses", streaming=True)


@case
def openai_unified(user):
    answer = openai_client(user, "/v1").chat.completions.create(model="anthropic/claude-haiku-4-5", messages=messages)
    return exact("claude-haiku-4-5", tokens(question), tokens(answer.choices[0].message.content), provider="anthropic", altered=["model"])


# ---- anthropic


def anthropic_client(user, root="/anthropic"):
    return anthropic.Anthropic(api_key="test-key", base_url=proxy + root, max_retries=0, default_headers={"Weir-User-Id": user})


asked = {"model": "claude-haiku-4-5", "max_tokens": 500, "messages": messages}


@case
def anthropic_messages(user):
    message = anthropic_client(user).messages.create(**asked)
    return exact("claude-haiku-4-5", tokens(question), tokens(message.content[0].text), api="messages", provider="anthropic")


@case
def anthropic_stream(user):
    with anthropic_client(user).messages.stream(**asked) as stream:
        text = "".join(stream.text_stream)
        assert stream.get_final_message().content[0].text == text
    return exact("claude-haiku-4-5", tokens(question), tokens(text), streaming=True, finishReason="end_turn")


@case
def anthropic_tools(user):
    message = anthropic_client(user).messages.create(**asked, tools=[{"name": "find_city", "input_schema": schema}])
    said = "".join(block.text for block in message.content if block.type == "text")
    [use] = [block for block in message.content if block.type == "tool_use"]
    assert (use.name, use.input) == ("find_city", {"city": "some city"}), use
    return exact("claude-haiku-4-5", tokens(question), tokens(said, '{"city":"some city"}'), toolCalls=1, finishReason="tool_use")


@case
def anthropic_401(user):
    raised(anthropic.AuthenticationError, lambda: anthropic_client(user).messages.create(**asked, extra_headers={"x-fake": "status=401"}))
    return failed(401, "auth")


@case
def anthropic_429(user):
    raised(anthropic.RateLimitError, lambda: anthropic_client(user).messages.create(**asked, extra_headers={"x-fake": "status=429"}))
    return failed(429, "rate_limit")


@case
def anthropic_abort(user):
    stream = anthropic_client(user).messages.create(**asked, stream=True, extra_headers={"x-fake": slow})
    next(iter(stream))
    stream.close()
    return {"outcome": "client_abort", "status": 200, "inputTokens": tokens(question), "usageSource": "estimated", "usageReason": "cut"}


@case
def anthropic_count(user):
    counted = anthropic_client(user).messages.count_tokens(model="claude-haiku-4-5", messages=messages)
    assert counted.input_tokens == tokens(question), counted
    return {"api": "count_tokens", "inputTokens": None, "cost": "0", "costStatus": "not_billable"}


@case
def anthropic_unified(user):
    message = anthropic_client(user, "").messages.create(**{**asked, "model": "anthropic/claude-haiku-4-5"})
    return exact("claude-haiku-4-5", tokens(question), tokens(message.content[0].text), provider="anthropic", altered=["model"])


# ---- google-genai


# A client that nobody holds any more closes its connections, under an answer too.
held = []


def gemini_client(user, fake=""):
    headers = {"Weir-User-Id": user, **({"x-fake": fake} if fake else {})}
    held.append(genai.Client(api_key="test-key", http_options=types.HttpOptions(base_url=proxy + "/gemini", headers=headers)))
    return held[-1]


@case
def gemini_generate(user):
    answer = gemini_client(user).models.generate_content(model="gemini-2.5-flash", contents=question)
    return exact("gemini-2.5-flash", tokens(question), tokens(answer.text), api="generate_content", provider="gemini")


@case
def gemini_stream(user):
    text = "".join(chunk.text or "" for chunk in gemini_client(user).models.generate_content_stream(model="gemini-2.5-flash", contents=question))
    return exact("gemini-2.5-flash", tokens(question), tokens(text), streaming=True)


@case
def gemini_tools(user):
    tool = types.Tool(function_declarations=[types.FunctionDeclaration(name="find_city", parameters={"type": "OBJECT", "properties": {"city": {"type": "STRING"}}})])
    answer = gemini_client(user).models.generate_content(model="gemini-2.5-flash", contents=question, config=types.GenerateContentConfig(tools=[tool]))
    [call] = answer.function_calls
    assert (call.name, call.args) == ("find_city", {"city": "some city"}), call
    return exact("gemini-2.5-flash", tokens(question), tokens('{"city":"some city"}'), toolCalls=1)


@case
def gemini_401(user):
    error = raised(errors.ClientError, lambda: gemini_client(user, "status=401").models.generate_content(model="gemini-2.5-flash", contents=question))
    assert error.code == 401, error
    return failed(401, "auth")


@case
def gemini_429(user):
    error = raised(errors.ClientError, lambda: gemini_client(user, "status=429").models.generate_content(model="gemini-2.5-flash", contents=question))
    assert error.code == 429, error
    return failed(429, "rate_limit")


for run in cases:
    user = "py-" + run.__name__
    print(json.dumps({"user": user, "row": run(user)}), flush=True)
