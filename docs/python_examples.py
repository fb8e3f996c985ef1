"""What docs/python.md shows, in the order in which a person meets it; a test runs it from the top.

In a folder in which `ragpg examples` was called.
"""

# --- Connect
# -- connect
import threading
from datetime import timedelta
from pathlib import Path

import ragpg

client = ragpg.connect()  # the database the environment names, or the embedded one
# -- open_embedder
embedder = ragpg.open_embedder("all-MiniLM-L6-v2")
vector = embedder.embed_query("how long do refunds take")
# -- Client.server
print(client.server())
# -- Client.database
rows = client.database.rows("select collection, documents from ragpg.collection_status")

# --- Documents in
# -- Client.collection
handbook = client.collection("handbook")
# -- Collection.add
report = handbook.add("handbook")
print(report.added, report.unchanged, report.failures)

notes = client.collection("notes")
notes.add(text="The office opens at nine.", source="opening", metadata={"year": 2026})
notes.add(records=[{"text": "The garage closes at ten.", "source": "garage", "floor": -1}])
# -- Collection.documents
for document in notes.documents():
    print(document.source, document.version, document.chunks)

page = notes.documents(filter={"year": 2026}, limit=50, texts=True)
# -- Collection.update_metadata
notes.update_metadata({"year": 2027, "floor": None}, sources=["garage"])
# -- Collection.delete_many
notes.delete_many(filter={"year": {"$lt": 2020}}, dry_run=True)
# -- Collection.watch
stop = threading.Event()  # set it to end
handbook.watch("handbook", stop=stop, on_ready=lambda report: stop.set())
# -- Collection.wait_until_indexed
assert notes.wait_until_indexed("opening", timeout=10)
# -- Client.collections
for row in client.collections():
    print(row["collection"], row["documents"], row["pending_documents"])
# -- Client.worker
worker = client.worker("notes")  # for what SQL wrote
# -- Worker.drain
print(worker.drain().indexed)
# -- Worker.run
stop = threading.Event()
stop.set()  # a signal handler's to do; without, it goes on
worker.run(stop)

# --- Questions
# -- Collection.search
for hit in handbook.search("how long do refunds take", k=3):
    print(hit.place, hit.source, hit.start_char, hit.end_char, hit.content)

hits = notes.search("when can I come in?", filter={"year": {"$gte": 2026}})
# -- Collection.embeddings
vectors = notes.embeddings(hits)  # (hits, dimensions)
# -- Collection.explain
for explained in handbook.explain("how long do refunds take", k=3):
    print(explained.place, explained.vector_place, explained.keyword_place)
# -- Collection.ask
answer = handbook.ask("How long do refunds take?")
print(answer.text)
for citation in answer.citations:
    print(citation.source, citation.start_char, citation.end_char, citation.quote)
# -- Client.feedback
assert answer.id is not None
client.feedback(answer.id, "good", comment="as the page says")

# --- Conversations
# -- Collection.conversation
conversation = handbook.conversation()
# -- Conversation.ask
answer = conversation.ask("How long do refunds take?", on_step=print)
answer = conversation.ask("And by bank transfer?", steps=4, max_tokens=50_000, max_seconds=60)
print(answer.standalone, answer.ended_by, [step.tool for step in answer.steps])
# -- Conversation.turns
for turn in conversation.turns():
    print(turn.turn, turn.question, turn.answer, turn.cost)
# -- Conversation.delete
assert conversation.delete()

# --- Versions: collection.versions
# -- Versions.history
notes.add(text="The office opens at eight.", source="opening")
for version in notes.versions.history("opening"):
    print(version["version"], version["valid_from"])
# -- Versions.text
print(notes.versions.text("opening", 1))
# -- Versions.prune
notes.versions.prune(timedelta(days=30))
# -- Versions.erase
print(notes.versions.erase("garage"))

# --- What is wrong: collection.inspection, client.health
# -- Inspector.run
print(handbook.inspection.run().problems)
# -- Inspector.files
print(handbook.inspection.files(["handbook"]).problems)
# -- Health.status
assert client.health.status()["problems"] == []
# -- Health.metrics
print(client.health.metrics())

# --- How good it is: collection.evaluation
# -- Evaluation.load
handbook.evaluation.load(Path("handbook.jsonl"))
# -- Evaluation.lost_labels
assert handbook.evaluation.lost_labels() == []
# -- Evaluation.run
first = handbook.evaluation.run(note="as it comes")
second = handbook.evaluation.run(mode="keyword", note="words only")
# -- Evaluation.runs
print(handbook.evaluation.runs()[0]["ndcg"])
# -- Evaluation.failures
for failure in handbook.evaluation.failures(first):
    print(failure["question"], failure["kind"])
# -- Evaluation.compare
for difference in handbook.evaluation.compare(first, second):
    print(difference.measure, difference.difference, difference.low, difference.high)
# -- Evaluation.moved_questions
print(handbook.evaluation.moved_questions(first, second))
# -- Evaluation.calibrate
print(handbook.evaluation.calibrate(first, keep=0.95, store=False))
# -- Evaluation.report
Path("report.html").write_text(handbook.evaluation.report(run_id=second, against=first).html)
# -- Evaluation.tune
tuned = handbook.evaluation.tune()
print(tuned.proposal)
# -- Evaluation.use
handbook.evaluation.use(tuned.proposal)
# -- Evaluation.forget
handbook.evaluation.forget(second)
# -- Evaluation.from_feedback
handbook.evaluation.from_feedback("feedback")
# -- Evaluation.draft
handbook.evaluation.draft("drafted", 3)  # asks Claude
# -- Evaluation.drafts
drafts = handbook.evaluation.drafts("drafted")
# -- Evaluation.accept
handbook.evaluation.accept(drafts[0]["id"])
# -- Evaluation.reject
handbook.evaluation.reject(drafts[1]["id"])
# -- Evaluation.edit
handbook.evaluation.edit(drafts[2]["id"], "How long do refunds take?", "five to seven days")

# --- Search indexes: collection.indexes
# -- Indexes.status
(before,) = (row["index_id"] for row in handbook.indexes.status() if row["active"])
# -- Indexes.create
made = handbook.indexes.create(chunk_tokens=128)
# -- Indexes.fill
handbook.indexes.fill(made.id)
# -- Indexes.activate
handbook.indexes.activate(made.id)
# -- Indexes.rollback
assert handbook.indexes.rollback() == before
# -- Indexes.drop
handbook.indexes.drop(made.id)
# -- Indexes.measure_recall
print(handbook.indexes.measure_recall(k=10, queries_asked=20))
# -- Indexes.tune_ef_search
handbook.indexes.tune_ef_search(recall=0.98, queries_asked=20)
# -- Indexes.quantize
handbook.indexes.quantize(before, "bit")
handbook.indexes.quantize(before, "none")
# -- Indexes.estimate_contexts
print(handbook.indexes.estimate_contexts("claude-haiku-4-5"))
# -- Indexes.estimate_missing_contexts
contextual = handbook.indexes.create(context_model="claude-haiku-4-5")
print(handbook.indexes.estimate_missing_contexts(contextual.id))
# -- Indexes.write_contexts
handbook.indexes.write_contexts(contextual.id)  # asks Claude
# -- Indexes.context_costs
print(handbook.indexes.context_costs())

# --- Fine-tuning: collection.finetuning
# -- Finetuning.advise
for step in handbook.finetuning.advise():
    print(step)
# -- Finetuning.export
print(handbook.finetuning.export(Path("chat.jsonl"), evaluation_set="default"))
# -- Finetuning.embedder
training = handbook.finetuning.embedder("default")  # its plan; run() trains

# --- The model in the database: client.models
# -- Encoders.ensure
print(client.models.ensure().loaded)
# -- Encoders.status
print(client.models.status())
# -- Encoders.drop
client.models.drop("all-MiniLM-L6-v2")
# -- Encoders.load
print(client.models.load("all-MiniLM-L6-v2"))

# --- The end
# -- Collection.delete
assert notes.delete("opening")
# -- Client.drop_collection
print(client.drop_collection("notes"))
# -- Client.close
client.close()
